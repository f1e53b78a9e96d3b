// G7: after start no path is resolved, and no symlink leads out of either tree.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <string>

#include "mirror_mount.h"
#include "object_kinds.h"
#include "tree_compare.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

class Confinement : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

/// strace(1) on a running process and its threads, file calls only.
class FileCalls {
 public:
  FileCalls(pid_t pid, Path output) : output_(std::move(output)), tracer_(attach(pid)) {
    // strace says so on stderr when it has attached.
    const bool attached = eventually([this] { return !read_file(messages()).empty(); });
    if (!attached) throw std::runtime_error("strace does not attach");
  }

  /// Detaches; the lines.
  std::vector<std::string> take() {
    tracer_.signal(SIGINT);
    (void)tracer_.wait(milliseconds(10'000));
    std::vector<std::string> lines;
    std::ifstream file(output_);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

 private:
  Path messages() const { return output_.string() + ".messages"; }

  ChildProcess attach(pid_t pid) const {
    write_file(messages(), "");
    const UniqueFd file = open_file(messages(), O_WRONLY | O_APPEND);
    return ChildProcess::start(
        {"strace", "-f", "-e", "trace=%file", "-o", output_.string(), "-p", std::to_string(pid)},
        {}, file.get(), file.get());
  }

  Path output_;
  ChildProcess tracer_;
};

/// What is wrong with a traced call; empty when it is relative to a descriptor, or not a file call.
std::string objection_to(const std::string& line) {
  static const std::regex call(R"(^\d+\s+(\w+)\((.*)$)");
  static const std::regex at_descriptor(R"re(^(\d+), "([^"]*)")re");
  // Calls whose second argument is no path: the descriptor alone is meant.
  static const std::set<std::string> by_descriptor = {"fchdir", "fstat", "fstatfs", "getcwd"};
  std::smatch match;
  if (!std::regex_search(line, match, call)) return {};
  const std::string name = match[1];
  const std::string arguments = match[2];
  if (by_descriptor.contains(name)) return {};
  if (name == "symlinkat") {  // its first string is the target
    static const std::regex good(R"re(^"[^"]*"(\.\.\.)?, \d+, "[^/])re");
    return std::regex_search(arguments, good) ? "" : "a path";
  }
  // malloc asks it once, when it may give back a thread's heap (glibc, sysdeps/unix/sysv/linux).
  if (arguments.starts_with(R"(AT_FDCWD, "/proc/sys/vm/overcommit_memory", O_RDONLY)")) return {};
  if (arguments.starts_with("AT_FDCWD")) return "relative to the working directory";
  if (arguments.starts_with("\"")) return "a path";
  if (std::regex_search(arguments, match, at_descriptor) && match[2].str().starts_with("/")) {
    return "an absolute path";
  }
  static const std::regex second_path(R"re((AT_FDCWD|\d+), "/)re");
  if (std::regex_search(arguments, second_path)) return "an absolute path";
  return {};
}

TEST_F(Confinement, G7_NoCallOfARunningDaemonResolvesAPath) {
  MirrorMount mirror({.patience = std::chrono::seconds(120)});
  make_many_files(mirror.source("many"), 100);
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  FileCalls calls(mirror.daemon_pid(), mirror.base() / "trace");
  make_directory(mirror.mount("kinds"));
  for (const Kind kind : kAllKinds) {
    const Path path = mirror.mount("kinds/" + to_string(kind));
    make_directory(path);
    make_object(kind, path / "object");
    change_owner(path / "object", 1, 2);
    set_xattr(path / "object", "trusted.some", "value");
    set_times(path / "object", {1, 2}, {3, 4});
    if (!is_symlink(kind)) change_mode(path / "object", 0700);
    rename_to(path / "object", path / "renamed");
  }
  Workers others(2, [&](unsigned number) {
    // Not root: the groups of the caller are looked up.
    RandomWriter writer(mirror.mount("many"), number);
    if (number == 1) check(::setresgid(5, 5, 5), "setresgid", {});
    write_for(writer, milliseconds(1'500));
  });
  others.join();
  mirror.wait();
  (void)mirror.status();
  std::set<std::string> objections;
  const std::vector<std::string> lines = calls.take();
  for (const std::string& line : lines) {
    const std::string objection = objection_to(line);
    if (!objection.empty() && objections.size() < 20) objections.insert(objection + ": " + line);
  }
  EXPECT_GT(lines.size(), 100U) << "the trace shows too little to mean anything";
  EXPECT_EQ(objections, std::set<std::string>());
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

constexpr std::string_view kSecret = "outside: nobody may read this";

/// A tree that nothing may read or write: reads show in the access times (strictatime).
class Outside {
 public:
  explicit Outside(const Path& mount_point)
      : filesystem_(Filesystem::kTmpfs, mount_point, 8 << 20) {
    filesystem_.remount("strictatime");
    root_ = mount_point / "tree";
    make_directory(root_);
    for (const char* name : {"name0", "name1", "directory0", "file"}) {
      make_directory(root_ / name);
      for (const char* file : {"name0", "name1", "file"}) write_file(root_ / name / file, kSecret);
    }
    for (const Path& path : all()) set_times(path, {1'000'000, 0}, {1'000'000, 0});
    contents_ = sizes_and_times();
  }

  [[nodiscard]] const Path& root() const { return root_; }

  /// One line per object that was changed or read.
  [[nodiscard]] std::string touched() const {
    std::string lines;
    const auto now = sizes_and_times();
    for (const auto& [path, facts] : now) {
      const auto before = contents_.find(path);
      if (before == contents_.end())
        lines += path + " is new\n";
      else if (before->second != facts)
        lines += path + ": " + before->second + " is now " + facts + "\n";
    }
    for (const auto& [path, facts] : contents_) {
      if (!now.contains(path)) lines += path + " is gone\n";
    }
    return lines;
  }

 private:
  // Without opening anything: the names are known, except what someone else made.
  std::vector<Path> all() const {
    std::vector<Path> paths = {root_};
    for (const char* name : {"name0", "name1", "directory0", "file"}) {
      paths.push_back(root_ / name);
      for (const char* file : {"name0", "name1", "file"}) paths.push_back(root_ / name / file);
    }
    return paths;
  }

  std::map<std::string, std::string> sizes_and_times() const {
    std::map<std::string, std::string> result;
    for (const Path& path : all()) {
      if (!is_there(path)) continue;
      const struct stat status = stat_of(path);
      result[path.string()] = "size " + std::to_string(status.st_size) + ", mode " +
                              std::to_string(status.st_mode) + ", owner " +
                              std::to_string(status.st_uid) + ", mtime " +
                              std::to_string(status.st_mtim.tv_sec) + ", atime " +
                              std::to_string(status.st_atim.tv_sec);
    }
    return result;
  }

  OwnFilesystem filesystem_;
  Path root_;
  std::map<std::string, std::string> contents_;
};

/// Puts symlinks to the outside in the place of files and directories, and back, forever.
void swap_links(const Path& tree, const Path& outside, unsigned seed) {
  std::minstd_rand random(seed);
  const std::array<std::string, 6> names = {
      "directory0", "directory1",       "directory0/directory0",
      "name0",      "directory0/name1", "directory1/directory1"};
  for (;;) {
    const Path victim = tree / names.at(random() % names.size());
    const Path aside = tree / ("aside" + std::to_string(seed));
    std::error_code error;
    std::filesystem::rename(victim, aside, error);
    if (error) continue;
    const Path target = random() % 2 == 0 ? outside : outside / "directory0";
    std::filesystem::create_symlink(random() % 3 == 0 ? target / "file" : target, victim, error);
    ::usleep(static_cast<useconds_t>(random() % 3000));
    (void)::unlink(victim.c_str());
    std::filesystem::rename(aside, victim, error);
    if (error) std::filesystem::remove_all(aside, error);
  }
}

TEST_F(Confinement, G7_NoPlantedSymlinkLeadsOutside) {
  MirrorMount mirror;
  const Outside outside(mirror.base() / "outside");
  for (const char* name :
       {"directory0", "directory0/directory0", "directory1", "directory1/directory1"}) {
    make_directory(mirror.source(name));
    write_file(mirror.source(Path(name) / "name0"), "inside");
  }
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  Workers attackers(2, [&](unsigned number) {
    // In a root of their own as well: a link that a writer moved would lead their unlink(2) out.
    const Path tree = number == 0 ? mirror.replica() : mirror.source();
    check(::chroot(tree.c_str()), "chroot", tree);
    swap_links("/", outside.root(), number);
  });
  Workers writers(3, [&](unsigned number) {
    // The writers meet the planted links too; in a root of their own they cannot follow them out.
    check(::chroot(mirror.mount().c_str()), "chroot", mirror.mount());
    RandomWriter writer("/", number + 7);
    const auto end = std::chrono::steady_clock::now() + milliseconds(4'000);
    while (std::chrono::steady_clock::now() < end) {
      try {
        writer.step();
      } catch (const std::exception&) {
        // The source changes behind everybody's back: any error is possible.
      }
    }
  });
  writers.join();
  attackers.kill();
  EXPECT_TRUE(mirror.daemon_runs()) << mirror.log_tail();
  const Finished waited = mirror.ctl({"wait", mirror.mount().string(), "--timeout=20"});
  EXPECT_EQ(waited.exit_code, 0) << mirror.ctl({"status", mirror.mount().string()}).out;
  EXPECT_EQ(outside.touched(), "");
  mirror.stop();
  mirror.start({"--check=full"});
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(outside.touched(), "");
  mirror.stop();
}

TEST_F(Confinement, G7_ASymlinkInTheReplicasPlaceIsReplacedNotFollowed) {
  MirrorMount mirror;
  const Outside outside(mirror.base() / "outside");
  make_directory(mirror.source("directory"));
  write_file(mirror.source("directory/file"), "content");
  write_file(mirror.source("file"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.stop();
  std::filesystem::remove_all(mirror.replica("directory"));
  unlink_file(mirror.replica("file"));
  make_symlink((outside.root() / "file").string(), mirror.replica("directory"));
  make_symlink((outside.root() / "file" / "file").string(), mirror.replica("file"));
  mirror.start();
  append_to(mirror.mount("file"), "more");
  append_to(mirror.mount("directory/file"), "more");
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(outside.touched(), "");
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
