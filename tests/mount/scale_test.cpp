// Many objects with few descriptors and little memory. MIRRORFS_SCALE_ENTRIES=300000 for the whole
// size; the figures are printed.
#include <dirent.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "as_user.h"
#include "device_for_users.h"
#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

constexpr uid_t kUser = 1000;
constexpr unsigned kFilesInDirectory = 100;

unsigned entries_wanted(unsigned otherwise) {
  const char* const given = std::getenv("MIRRORFS_SCALE_ENTRIES");
  return given != nullptr ? static_cast<unsigned>(std::stoul(given)) : otherwise;
}

/// What programs started meanwhile may have open.
class WithDescriptors {
 public:
  explicit WithDescriptors(rlim_t most) {
    check(::getrlimit(RLIMIT_NOFILE, &before_), "getrlimit", {});
    const rlimit limited{.rlim_cur = most, .rlim_max = before_.rlim_max};
    check(::setrlimit(RLIMIT_NOFILE, &limited), "setrlimit", {});
  }
  WithDescriptors(const WithDescriptors&) = delete;
  WithDescriptors& operator=(const WithDescriptors&) = delete;
  ~WithDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

/// Empty files, a hundred to a directory, two levels deep; how many objects that makes.
unsigned make_wide_tree(const Path& root, unsigned entries) {
  unsigned made = 0;
  for (unsigned directory = 0; made < entries; ++directory) {
    const Path upper = root / fmt::format("upper{}", directory / 100);
    if (directory % 100 == 0) {
      make_directory(upper);
      ++made;
    }
    const Path place = upper / fmt::format("directory{}", directory);
    make_directory(place);
    ++made;
    for (unsigned file = 0; file < kFilesInDirectory && made < entries; ++file, ++made) {
      write_file(place / fmt::format("file-{:08}", made), "");
    }
  }
  return made;
}

unsigned count_by_find(const Path& root, std::optional<uid_t> user = {}) {
  RunOptions options{.timeout = milliseconds(300'000), .user = user};
  const std::string out =
      run_or_throw({"find", root.string(), "-mindepth", "1", "-printf", "x"}, options);
  return static_cast<unsigned>(out.size());
}

/// Resident memory that is the process's own, in bytes.
std::uint64_t memory_of(pid_t process) {
  std::ifstream status(fmt::format("/proc/{}/status", process));
  for (std::string word; status >> word;) {
    std::uint64_t kibibytes = 0;
    if (word == "RssAnon:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

std::uint64_t known_nodes(const MirrorMount& mirror) {
  return nlohmann::json::parse(mirror.status().json).at("known_nodes");
}

class Scale : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  static MirrorSetup setup(std::optional<uid_t> user = {}) {
    return {.source_bytes = 4ULL << 30,
            .replica_bytes = 4ULL << 30,
            .user = user,
            .patience = std::chrono::seconds(500)};
  }

  static void report(const char* what, std::uint64_t value) {
    fmt::print("{}: {}\n", what, value);
    RecordProperty(what, std::to_string(value));
  }
};

TEST_F(Scale, FindWalksAllOfItWithFewDescriptorsAndTheKernelsForgettingFreesIt) {
  const unsigned entries = entries_wanted(20'000);
  MirrorMount mirror(setup());
  const unsigned made = make_wide_tree(mirror.source(), entries);
  {
    const WithDescriptors few(entries > 100'000 ? 1024 : 256);
    mirror.start();
  }
  ASSERT_TRUE(eventually([&] { return !mirror.status().baseline_running; }, milliseconds(400'000)));
  const std::uint64_t before = memory_of(mirror.daemon_pid());
  EXPECT_EQ(count_by_find(mirror.mount()), made);
  const std::uint64_t after = memory_of(mirror.daemon_pid());
  const std::uint64_t known = known_nodes(mirror);
  report("objects", made);
  report("nodes known after find", known);
  report("bytes per node", (after - before) / std::max<std::uint64_t>(known, 1));
  EXPECT_GT(known, made / 2) << "the kernel had no reason to forget so many";

  std::ofstream("/proc/sys/vm/drop_caches") << "2";
  EXPECT_TRUE(eventually([&] { return known_nodes(mirror) < 100; })) << known_nodes(mirror);
  report("nodes known after the kernel dropped its caches", known_nodes(mirror));
  EXPECT_EQ(count_by_find(mirror.mount()), made) << "again, after all was forgotten";
  mirror.stop();
}

/// Without root's rights there are no file handles: descriptors are found again by name.
TEST_F(Scale, FindWalksAllOfItAsAnOrdinaryUser) {
  const unsigned entries = entries_wanted(20'000);
  const DeviceForUsers device;
  MirrorMount mirror(setup(kUser));
  unsigned made = 0;
  {
    const AsUser owner(kUser);
    made = make_wide_tree(mirror.source(), entries);
  }
  {
    const WithDescriptors few(entries > 100'000 ? 1024 : 256);
    mirror.start();
  }
  const std::uint64_t before = memory_of(mirror.daemon_pid());
  EXPECT_EQ(count_by_find(mirror.mount(), kUser), made);
  report("objects", made);
  report("bytes per object found", (memory_of(mirror.daemon_pid()) - before) / std::max(made, 1U));
  EXPECT_EQ(count_by_find(mirror.mount(), kUser), made) << "again, with what is known by now";
  mirror.stop(StopBy::kFusermount);
}

std::multiset<std::string> names_in(const Path& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  if (!stream) throw_errno("opendir", directory);
  std::multiset<std::string> names;
  while (const dirent* const entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.insert(name);
  }
  return names;
}

/// Creates "new…" until killed, removing every other one again.
[[noreturn]] void keep_creating_in(const Path& directory) {
  for (unsigned number = 0;; ++number) {
    write_file(directory / fmt::format("new{}", number), "new");
    if (number % 2 == 1) unlink_file(directory / fmt::format("new{}", number - 1));
  }
}

TEST_F(Scale, ALargeDirectoryIsListedAndRemovedWhileAnotherCreatesInIt) {
  const unsigned entries = entries_wanted(5'000);
  MirrorMount mirror(setup());
  const Path crowd = mirror.source("crowd");
  make_directory(crowd);
  std::set<std::string> old;
  for (unsigned number = 0; number < entries; ++number) {
    const std::string name = fmt::format("old{}", number);
    write_file(crowd / name, "");
    old.insert(name);
  }
  mirror.start();
  const Path mounted = mirror.mount("crowd");
  Workers creator(1, [&](unsigned) { keep_creating_in(mounted); });
  EXPECT_TRUE(eventually([&] { return is_there(mounted / "new1"); }));

  // What is there from the beginning of a listing to its end is listed exactly once (readdir(3)).
  std::multiset<std::string> listed = names_in(mounted);
  for (const std::string& name : old) {
    ASSERT_EQ(listed.count(name), 1U) << name << " among " << listed.size();
  }
  while (std::any_of(listed.begin(), listed.end(),
                     [](const std::string& name) { return name.starts_with("old"); })) {
    for (const std::string& name : listed) {
      if (name.starts_with("old")) unlink_file(mounted / name);
    }
    listed = names_in(mounted);
  }
  creator.kill();
  EXPECT_FALSE(names_in(mounted).empty());
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
