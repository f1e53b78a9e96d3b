// A sync that is interrupted leaves no half file under its real name, and a second one finishes it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "mirrorfs/unique_fd.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

constexpr int kDirectories = 6;
constexpr std::size_t kLargeSize = 2 << 20;

class TreeInterrupt : public TreeTest {
 protected:
  /// Small files in several directories, and large files, among them one that the replica has.
  void make_trees() {
    for (int d = 0; d < kDirectories; ++d) {
      const fs::path folder = source_ / ("folder" + std::to_string(d));
      fs::create_directory(folder);
      for (int f = 0; f < 60; ++f) {
        write_file(folder / std::to_string(f), std::string(static_cast<std::size_t>(f) * 97, 'x'));
      }
      write_file(folder / "large", std::string(kLargeSize, static_cast<char>('a' + d)));
    }
    write_file(source_ / "there", std::string(2 * kLargeSize, 'n'));
    write_file(replica_ / "there", std::string(2 * kLargeSize, 'o'));
    fs::create_hard_link(source_ / "there", source_ / "there too");
    fs::create_hard_link(replica_ / "there", replica_ / "there too");
  }

  Result<SyncReport> try_sync(const std::atomic<bool>& interrupted) {
    SyncOptions options;
    options.interrupted = &interrupted;
    const UniqueFd source(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd replica(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return sync_trees(source.get(), replica.get(), options);
  }

  /// Every file of the replica has the source's content, or the one it had before.
  void expect_no_half_file() {
    for (auto at = fs::recursive_directory_iterator(replica_); at != fs::end(at); ++at) {
      const std::string name = at->path().lexically_relative(replica_).native();
      if (name == kReservedName) {
        at.disable_recursion_pending();
      } else if (at->is_regular_file()) {
        const std::string content = read_file(at->path());
        const bool old = name.starts_with("there") && content == std::string(2 * kLargeSize, 'o');
        EXPECT_TRUE(old || content == read_file(source_ / name)) << name << " is half a file";
      }
    }
  }
};

TEST_F(TreeInterrupt, KilledAtAnyMoment) {
  make_trees();
  for (int delay = 0; delay < 24; ++delay) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      (void)sync();
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(delay * delay * 100));
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    expect_no_half_file();
    if (HasFailure()) return;
    // Most of it again next time.
    if (delay % 4 == 0) fs::remove_all(replica_ / "folder3");
  }
  sync_and_expect_equal(Check::kFull);
}

TEST_F(TreeInterrupt, BeforeItBeginsNothingIsDone) {
  make_trees();
  Snapshot before = snapshot_of(replica_);
  before.erase("");  // its times: the reserved folder came and went
  const std::atomic<bool> interrupted{true};
  const Result<SyncReport> report = try_sync(interrupted);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ECANCELED);
  Snapshot after = snapshot_of(replica_);
  after.erase("");
  EXPECT_EQ(differences(before, after), "");
}

TEST_F(TreeInterrupt, AskedToStopItEndsWhatItBegan) {
  make_trees();
  unsigned stopped = 0;
  for (int delay = 0; delay < 16; ++delay) {
    std::atomic<bool> interrupted{false};
    std::thread user([&interrupted, delay] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay * delay * 200));
      interrupted = true;
    });
    const Result<SyncReport> report = try_sync(interrupted);
    user.join();
    if (!report) {
      EXPECT_EQ(report.error().code, ECANCELED) << report.error().message();
      ++stopped;
    }
    expect_no_half_file();
    const fs::path staging = replica_ / kReservedName / "staging";
    EXPECT_TRUE(!fs::exists(staging) || fs::is_empty(staging)) << "something is left in staging";
    if (HasFailure()) return;
    if (delay % 4 == 0) fs::remove_all(replica_ / "folder3");
  }
  EXPECT_GT(stopped, 0U);
  sync_and_expect_equal(Check::kFull);
}

}  // namespace
}  // namespace mirrorfs::testing
