// G1: whatever becomes of an operation on its way, the replica has it or a mark says that it may
// not.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

class SilentDivergence : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  /// The kernel forgets every object that nobody has open, and has told the daemon so: the next
  /// look-up of each is a first one.
  static void make_the_kernel_forget(const MirrorMount& mirror) {
    const auto forgotten = [&] {
      std::ofstream("/proc/sys/vm/drop_caches") << "2";
      return nlohmann::json::parse(mirror.status().json).at("known_nodes").get<unsigned>() <= 1;
    };
    ASSERT_TRUE(eventually(forgotten)) << mirror.status().json;
  }

  /// Both trees are equal, both say so, and the end is a clean one.
  static void expect_convergence(MirrorMount& mirror) {
    EXPECT_TRUE(mirror.identical());
    EXPECT_EQ(mirror.status().state, "in-sync");
    mirror.stop();
    EXPECT_TRUE(mirror.trees_equal()) << "after a clean stop";
  }
};

/// Many directories beside those that matter, so that the baseline has walked some and not others.
void make_crowd(const MirrorMount& mirror, unsigned directories) {
  for (unsigned number = 0; number < 10; ++number) {
    make_directory(mirror.source(fmt::format("a{}", number)));
    write_file(mirror.source(fmt::format("a{}/f", number)), "x");
  }
  for (unsigned number = 0; number < directories; ++number) {
    make_directory(mirror.source(fmt::format("m{:05}", number)));
  }
}

void make_directories(const Path& path) { std::filesystem::create_directories(path); }

/// Starts a mirror and pauses it when the baseline has made `walked` and not `unwalked` yet.
/// `prepare` fills the source. Null when that moment was missed too often.
std::unique_ptr<MirrorMount> pause_between(const std::function<void(MirrorMount&)>& prepare,
                                           const char* walked, const char* unwalked) {
  for (unsigned attempt = 0; attempt < 8; ++attempt) {
    auto mirror = std::make_unique<MirrorMount>();
    prepare(*mirror);
    make_crowd(*mirror, 20'000);
    mirror->start();
    const Path seen = mirror->replica(walked);
    while (!is_there(seen) && mirror->status().baseline_running) {
      for (unsigned look = 0; look < 1'000 && !is_there(seen); ++look) {
      }
    }
    mirror->pause();
    if (is_there(seen) && !is_there(mirror->replica(unwalked))) return mirror;
  }
  return nullptr;
}

/// A directory leaves for one that is not walked yet; the one that it was in is removed and made
/// anew, and so is another directory of its name. The replica's old one belongs to neither.
TEST_F(SilentDivergence, G1_ADirectoryRemovedAfterAMarkedRenameLeavesNothingToItsSuccessor) {
  const auto mirror = pause_between(
      [](MirrorMount& fresh) {
        make_directories(fresh.source("zy/D/c"));
        make_directories(fresh.source("b/bb/cc/Z"));
        write_file(fresh.source("zy/D/c/old"), "old");
        write_file(fresh.source("b/bb/cc/Z/f"), "f");
      },
      "zy/D/c/old", "b/bb/cc");
  ASSERT_NE(mirror, nullptr) << "the baseline was never met between the two directories";
  rename_to(mirror->mount("zy/D/c"), mirror->mount("b/bb/cc/Z/k"));
  remove_directory(mirror->mount("zy/D"));
  make_directory(mirror->mount("zy/D"));
  make_directory(mirror->mount("zy/D/c"));
  write_file(mirror->mount("zy/D/c/of the second"), "new");
  mirror->resume();
  for (unsigned number = 0; number < 300 && !is_there(mirror->replica("b/bb/cc/Z/f")); ++number) {
    write_file(mirror->mount(fmt::format("b/bb/cc/Z/k/x{}", number)), "of the first");
  }
  expect_convergence(*mirror);
}

/// An entry is marked when the kernel, which has forgotten the directory there, looks it up again.
TEST_F(SilentDivergence, G1_ADirectoryLookedUpAtAMarkedEntryIsStillWalked) {
  MirrorMount mirror({.replica = Filesystem::kExt4});
  make_directories(mirror.source("X/D"));
  make_directories(mirror.source("A/d"));
  write_file(mirror.source("X/D/d1"), "1");
  write_file(mirror.source("X/D/d2"), "2");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  // Both are known to the daemon where they are now.
  for (const char* name : {"X/D", "A/d"}) (void)stat_of(mirror.mount(name));
  const Path refuses = mirror.replica("A");
  run_or_throw({"chattr", "+i", refuses.string()});
  rename_to(mirror.mount("X"), mirror.mount("A/X2"));
  EXPECT_TRUE(eventually([&] { return !is_there(mirror.replica("X")); }));
  mirror.pause();
  rename_to(mirror.mount("A/X2/D"), mirror.mount("A/d"));
  ASSERT_NO_FATAL_FAILURE(make_the_kernel_forget(mirror));
  change_mode(mirror.mount("A/d/d1"), 0600);
  run_or_throw({"chattr", "-i", refuses.string()});
  mirror.resume();
  expect_convergence(mirror);
}

/// Two directories are exchanged, one walked and one not; the kernel forgets both and looks up the
/// one that is not walked, at the place of the other.
TEST_F(SilentDivergence, G1_ADirectoryLookedUpBeforeItsWalkIsStillWalked) {
  const auto mirror = pause_between(
      [](MirrorMount& fresh) {
        make_directories(fresh.source("zy/d"));
        make_directories(fresh.source("b/bb/cc/z"));
        for (const char* name : {"zy/d/e1", "zy/d/e2", "b/bb/cc/z/d1", "b/bb/cc/z/d2"}) {
          write_file(fresh.source(name), name);
        }
      },
      "zy/d/e2", "b/bb/cc");
  ASSERT_NE(mirror, nullptr) << "the baseline was never met between the two directories";
  rename_to(mirror->mount("zy/d"), mirror->mount("b/bb/cc/z"), RENAME_EXCHANGE);
  ASSERT_NO_FATAL_FAILURE(make_the_kernel_forget(*mirror));
  write_file(mirror->mount("zy/d/new"), "new");
  write_file(mirror->mount("b/bb/cc/z/new"), "new");
  mirror->resume();
  expect_convergence(*mirror);
}

/// So many changes of a mode that the daemon runs out of memory on the way; how many have failed.
unsigned change_modes(const Path& file, unsigned changes) {
  unsigned failed = 0;
  for (unsigned number = 0; number < changes && failed < 3; ++number) {
    if (::chmod(file.c_str(), 0600 + number % 8) != 0) ++failed;
  }
  return failed;
}

class WithAddressSpace {
 public:
  /// The process may map so much more than it has by now.
  WithAddressSpace(pid_t process, rlim_t more) : process_(process) {
    std::uint64_t pages = 0;
    std::ifstream(fmt::format("/proc/{}/statm", process)) >> pages;
    check(::prlimit(process, RLIMIT_AS, nullptr, &before_), "prlimit", {});
    const rlimit limited{.rlim_cur = pages * 4096 + more, .rlim_max = before_.rlim_max};
    check(::prlimit(process, RLIMIT_AS, &limited, nullptr), "prlimit", {});
  }
  WithAddressSpace(const WithAddressSpace&) = delete;
  WithAddressSpace& operator=(const WithAddressSpace&) = delete;
  ~WithAddressSpace() { ::prlimit(process_, RLIMIT_AS, &before_, nullptr); }

 private:
  pid_t process_;
  rlimit before_{};
};

TEST_F(SilentDivergence, G1_NoMemoryForTheRecordOfAChangeLosesNothing) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitized program cannot live with a limit of its address space";
#endif
  constexpr unsigned kChanges = 60'000;
  MirrorMount mirror;
  write_file(mirror.source("file"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  const Path file = mirror.mount("file");
  EXPECT_EQ(change_modes(file, kChanges), 0U);
  {
    const WithAddressSpace little(mirror.daemon_pid(), 20 << 20);
    // With or without an error: what the source has counts.
    fmt::print("changes refused for lack of memory: {}\n", change_modes(file, kChanges));
  }
  ASSERT_TRUE(mirror.daemon_runs());
  mirror.resume();
  expect_convergence(mirror);
}

}  // namespace
}  // namespace mirrorfs::test
