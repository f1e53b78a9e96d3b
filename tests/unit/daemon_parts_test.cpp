// The parts of start-up that need no mount: paths, options for libfuse, readiness, signals.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <future>

#include "fs/daemon/daemon.h"
#include "fs/daemon/notices.h"
#include "fs/daemon/path_checks.h"
#include "fs/daemon/readiness.h"
#include "fs/daemon/stop_signals.h"
#include "temporary_directory.h"

namespace mirrorfs {
namespace {

namespace stdfs = std::filesystem;
using testing::TemporaryDirectory;

TEST(UnfitReplica, IsToldOfRcloneAlone) {
  constexpr const char* kMountInfo =
      "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "40 22 0:50 / /cloud rw - fuse.rclone remote: rw,user_id=0\n"
      "41 40 8:2 / /cloud/disk rw - xfs /dev/sdb1 rw\n";
  const auto warning = unfit_replica(kMountInfo, "/cloud/backup/of/it");
  ASSERT_TRUE(warning);
  EXPECT_NE(warning->find("'/cloud'"), std::string::npos) << *warning;
  EXPECT_EQ(unfit_replica(kMountInfo, "/cloud/disk/backup"), std::nullopt);
  EXPECT_EQ(unfit_replica(kMountInfo, "/cloudy"), std::nullopt);
}

class PathChecks : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* const name : {"src", "dst", "mnt"}) {
      stdfs::create_directory(home_.path() / name);
    }
    mknod((home_.path() / "file").c_str(), S_IFREG | 0600, 0);
    stdfs::create_symlink("mnt", home_.path() / "link");
  }

  std::expected<DaemonOptions, std::string> resolve(const std::string& source,
                                                    const std::string& replica,
                                                    const std::string& mount_point) {
    DaemonOptions options;
    options.mirror.source = home_.path() / source;
    options.mirror.replica = home_.path() / replica;
    options.mount_point = home_.path() / mount_point;
    if (auto resolved = resolve_paths(options); !resolved) return std::unexpected(resolved.error());
    return options;
  }

  /// The line with which these paths are refused, empty if they are not.
  std::string refusal(const std::string& source, const std::string& replica,
                      const std::string& mount_point) {
    const auto options = resolve(source, replica, mount_point);
    return options ? "" : options.error();
  }

  TemporaryDirectory home_;
};

TEST_F(PathChecks, AreFollowedByCanonicalPaths) {
  const auto options = resolve("src/../src/", "dst/./", "link");
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->mirror.source, home_.path() / "src");
  EXPECT_EQ(options->mirror.replica, home_.path() / "dst");
  EXPECT_EQ(options->mount_point, home_.path() / "mnt");
  EXPECT_EQ(options->mirror.mount_point, home_.path() / "mnt") << "for the engine's nesting check";
}

TEST_F(PathChecks, WhatIsMissingIsNamed) {
  EXPECT_NE(refusal("no", "dst", "mnt").find("source '" + (home_.path() / "no").string()),
            std::string::npos);
  EXPECT_NE(refusal("src", "no", "mnt").find("replica"), std::string::npos);
  EXPECT_NE(refusal("src", "dst", "no").find("mount point"), std::string::npos);
}

TEST_F(PathChecks, WhatIsNoDirectoryIsRefused) {
  EXPECT_NE(refusal("file", "dst", "mnt").find("not a directory"), std::string::npos);
  EXPECT_NE(refusal("src", "file", "mnt").find("not a directory"), std::string::npos);
  EXPECT_NE(refusal("src", "dst", "file").find("not a directory"), std::string::npos);
  EXPECT_NE(refusal("src", "dst", "file/x"), "");
}

bool contains(const std::vector<std::string>& options, const std::string& option) {
  return std::ranges::find(options, option) != options.end();
}

TEST(FuseOptions, HaveWhatMirrorfsAlwaysWants) {
  DaemonOptions options;
  options.mirror.source = "/a,b";
  const auto result = fuse_options_for(options, false);
  EXPECT_TRUE(contains(result, "default_permissions"));
  EXPECT_TRUE(contains(result, "subtype=mirrorfs"));
  EXPECT_TRUE(contains(result, "fsname=/a\\,b"));
  EXPECT_FALSE(contains(result, "allow_other"));
}

TEST(FuseOptions, OfRootLetEverybodyInUnlessToldOtherwise) {
  DaemonOptions options;
  EXPECT_TRUE(contains(fuse_options_for(options, true), "allow_other"));
  options.allow_other_off = true;
  EXPECT_FALSE(contains(fuse_options_for(options, true), "allow_other"));
  options.allow_other_off = false;
  options.fuse_options = {"allow_root"};
  EXPECT_FALSE(contains(fuse_options_for(options, true), "allow_other"));
}

TEST(FuseOptions, GivenOnesComeFirstAndOnce) {
  DaemonOptions options;
  options.fuse_options = {"ro", "allow_other", "fsname=mine", "default_permissions"};
  EXPECT_EQ(fuse_options_for(options, true),
            (std::vector<std::string>{"ro", "allow_other", "fsname=mine", "default_permissions",
                                      "subtype=mirrorfs"}));
}

TEST(Readiness, ReportsSuccess) {
  auto pipe = ReadinessPipe::create();
  ASSERT_TRUE(pipe);
  if (fork() == 0) {
    pipe->become_reporter();
    _exit(pipe->report_ready() ? 0 : 1);
  }
  EXPECT_TRUE(pipe->wait_for_report());
}

TEST(Readiness, ReportsTheLineOfAFailure) {
  auto pipe = ReadinessPipe::create();
  ASSERT_TRUE(pipe);
  if (fork() == 0) {
    pipe->become_reporter();
    pipe->report_failure("no such luck");
    _exit(0);
  }
  const auto report = pipe->wait_for_report();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error(), "no such luck");
}

TEST(Readiness, OfADeadChildIsAnError) {
  auto pipe = ReadinessPipe::create();
  ASSERT_TRUE(pipe);
  if (fork() == 0) _exit(0);
  EXPECT_FALSE(pipe->wait_for_report());
}

TEST(StopSignals, AreToldOnAThreadOfTheirOwn) {
  ASSERT_TRUE(StopSignals::block());
  std::promise<int> told;
  auto watcher = StopSignals::watch([&told](int number) { told.set_value(number); });
  ASSERT_TRUE(watcher) << watcher.error().message();
  kill(getpid(), SIGTERM);
  EXPECT_EQ(told.get_future().get(), SIGTERM);
}

}  // namespace
}  // namespace mirrorfs
