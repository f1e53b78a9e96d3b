// G1 and G2 at the end of a mount: however it ends, nothing is lost without a mark.
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <string>
#include <system_error>
#include <thread>

#include "mirror_mount.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

constexpr unsigned kBigFiles = 25;
constexpr std::size_t kBigFile = 4 << 20;

/// 100 MB that the replica does not have yet.
void queue_a_lot(const MirrorMount& mirror) {
  mirror.pause();
  const std::string bytes = pattern(kBigFile, 1);
  for (unsigned number = 0; number < kBigFiles; ++number) {
    write_file(mirror.mount("big" + std::to_string(number)), bytes);
  }
  make_many_files(mirror.mount("many"), 200);
}

/// Changes of the filesystem hang while this lives.
class FrozenFilesystem {
 public:
  explicit FrozenFilesystem(const Path& path) : fd_(open_file(path, O_RDONLY)) {
    check(::ioctl(fd_.get(), FIFREEZE, 0), "freeze", path);
  }
  FrozenFilesystem(const FrozenFilesystem&) = delete;
  FrozenFilesystem& operator=(const FrozenFilesystem&) = delete;
  ~FrozenFilesystem() { ::ioctl(fd_.get(), FITHAW, 0); }

 private:
  UniqueFd fd_;
};

class StopWith : public testing::TestWithParam<StopBy> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

TEST_P(StopWith, AHundredMegabytesQueuedLosesNothing) {
  MirrorMount mirror({.options = {"--queue-size=256M"}});
  mirror.start();
  queue_a_lot(mirror);
  EXPECT_GE(mirror.status().queued_bytes + 1, 100'000'000U) << mirror.status().json;
  mirror.resume();
  mirror.stop(GetParam());
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_P(StopWith, PausedReplicaIsStillBroughtUpToDate) {
  MirrorMount mirror;
  mirror.start();
  mirror.pause();
  make_many_files(mirror.mount("many"), 100);
  mirror.stop(GetParam());
  EXPECT_TRUE(mirror.trees_equal());
}

TEST(StopBySignal, EndsThoughAnFsyncWaitsForAPausedReplica) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror({.options = {"--mode=fsync"}});
  mirror.start();
  UniqueFd file = open_file(mirror.mount("file"), O_WRONLY | O_CREAT);
  write_all(file.get(), "content", "file");
  mirror.pause();
  std::atomic<bool> returned{false};
  std::thread waiting([&] {
    static_cast<void>(::fsync(file.get()));
    returned = true;
    file.reset();
  });
  ::usleep(200'000);
  EXPECT_FALSE(returned) << "nothing is put to the test";
  mirror.stop(StopBy::kSigterm);
  waiting.join();
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_P(StopWith, LeavesACleanPairWhenIdle) {
  MirrorMount mirror;
  make_many_files(mirror.source(), 50);
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.stop(GetParam());
  mirror.start({"--check=none"});
  EXPECT_EQ(mirror.status().marks, 0U);
  EXPECT_TRUE(mirror.identical());
  mirror.stop(GetParam());
}

TEST_P(StopWith, TheDaemonisedFormEndsToo) {
  MirrorMount mirror({.daemonised = true});
  mirror.start();
  make_many_files(mirror.mount("many"), 100);
  mirror.stop(GetParam());
  EXPECT_TRUE(mirror.trees_equal());
}

INSTANTIATE_TEST_SUITE_P(G2, StopWith,
                         testing::Values(StopBy::kUmount, StopBy::kFusermount, StopBy::kSigterm,
                                         StopBy::kSigint),
                         [](const auto& test) {
                           switch (test.param) {
                             case StopBy::kUmount: return "umount";
                             case StopBy::kFusermount: return "fusermount3";
                             case StopBy::kSigterm: return "SIGTERM";
                             default: return "SIGINT";
                           }
                         });

class UncleanStop : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

TEST_F(UncleanStop, AReplicaThatIsTooSlowForTheDrainIsRepairedAtTheNextStart) {
  MirrorMount mirror({.replica = Filesystem::kExt4, .options = {"--drain-timeout=1"}});
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  queue_a_lot(mirror);
  {
    const FrozenFilesystem frozen(mirror.replica());
    mirror.request_stop(StopBy::kUmount);
    // The kernel lets a process with calls on a frozen filesystem end only after the thaw.
    EXPECT_TRUE(eventually([&] {
      return mirror.log_tail().find("is not complete") != std::string::npos;
    })) << "the daemon says nothing when its drain timeout is over";
  }
  const auto code = mirror.wait_until_gone();
  ASSERT_TRUE(code) << "the daemon outlives its drain timeout";
  EXPECT_NE(*code, 0) << "claims to have drained to a frozen replica";
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(UncleanStop, G1_KilledWithAFullQueueIsRepairedAtTheNextStart) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  queue_a_lot(mirror);
  mirror.crash();
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(UncleanStop, G1_KilledWhenAllWasAppliedIsStillEqualAfterTheNextStart) {
  MirrorMount mirror;
  mirror.start();
  make_many_files(mirror.mount("many"), 200);
  mirror.wait();
  mirror.crash();
  EXPECT_TRUE(mirror.trees_equal());
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(UncleanStop, G1_MarksSurviveWithoutACheckOfTheTree) {
  MirrorMount mirror;
  make_many_files(mirror.source("old"), 100);
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  append_to(mirror.mount("old/group0/set0/file2"), "changed while paused");
  write_file(mirror.mount("new"), "made while paused");
  rename_to(mirror.mount("old/group0"), mirror.mount("old/renamed"));
  unlink_file(mirror.mount("old/renamed/set0/file4"));
  mirror.crash();
  mirror.start({"--check=none"});
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(UncleanStop, G1_KilledAtRandomMomentsWithWritersAtWork) {
  std::random_device device;
  const char* given = std::getenv("MIRRORFS_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : device();
  SCOPED_TRACE("MIRRORFS_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  MirrorMount mirror;
  for (int round = 0; round < 6; ++round) {
    mirror.start();
    Workers writers(4, [&, round](unsigned number) {
      RandomWriter writer(mirror.mount("work" + std::to_string(number % 2)),
                          seed + number + static_cast<unsigned>(round) * 10);
      try {
        for (;;) writer.step();
      } catch (const std::system_error&) {
        // ENOTCONN, ECONNABORTED: the daemon was killed under it.
      }
    });
    std::this_thread::sleep_for(milliseconds(20 + random() % 400));
    mirror.crash();
    writers.kill();
  }
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(UncleanStop, AnAbortedConnectionEndsTheDaemonAndLosesNothing) {
  MirrorMount mirror;
  mirror.start();
  queue_a_lot(mirror);
  mirror.resume();
  mirror.abort_connection();
  ASSERT_TRUE(mirror.wait_until_gone()) << "the daemon outlives its connection";
  unmount_all_below(mirror.mount());
  EXPECT_TRUE(mirror.trees_equal());
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
