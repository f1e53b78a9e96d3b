// mirrorctl on a live mount: what it says and the exit codes that scripts rely on.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

class Control : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

TEST_F(Control, StatusHasEveryPromisedKey) {
  MirrorMount mirror;
  mirror.start();
  const auto json = nlohmann::json::parse(mirror.status().json);
  for (const char* key : {"state",
                          "lag_seconds",
                          "queued_ops",
                          "queued_bytes",
                          "completed_seq",
                          "applied_seq",
                          "durable_seq",
                          "marks",
                          "errors_total",
                          "last_error",
                          "bytes_replicated_total",
                          "ops_replicated_total",
                          "baseline",
                          "mode",
                          "io",
                          "transport",
                          "source",
                          "replica",
                          "mount",
                          "pid",
                          "uptime_seconds"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(Path(json.at("source").get<std::string>()), mirror.base() / "source-fs/tree");
  EXPECT_EQ(json.at("pid").get<pid_t>(), mirror.daemon_pid());
  mirror.stop();
}

/// With a paused replica there is nothing to wait for: the harness would end a long wait with 124.
TEST_F(Control, VerifyOfAPausedMountNamesWhatIsMissing) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  write_file(mirror.mount("file"), "content");
  const Finished verified = mirror.ctl({"verify", mirror.mount().string()});
  EXPECT_EQ(verified.exit_code, 1);
  EXPECT_NE(verified.out.find("file: missing on the replica"), std::string::npos) << verified.out;
  mirror.stop();
}

TEST_F(Control, PausedOperationsQueueAndWaitTimesOutWithOne) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  write_file(mirror.mount("file"), "content");
  EXPECT_EQ(mirror.status().state, "paused");
  EXPECT_GT(mirror.status().queued_ops + mirror.status().marks, 0U);
  EXPECT_EQ(mirror.ctl({"wait", mirror.mount().string(), "--timeout=1"}).exit_code, 1);
  EXPECT_FALSE(is_there(mirror.replica("file")));
  mirror.resume();
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(mirror.status().state, "in-sync");
  mirror.stop();
}

TEST_F(Control, VerifyListsDifferencesWithOneAndRepairsThem) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "content");
  write_file(mirror.source("other"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  write_file(mirror.replica("extraneous"), "behind its back");
  unlink_file(mirror.replica("other"));
  write_file(mirror.replica("file"), "CONTENT");
  const Finished found = mirror.ctl({"verify", mirror.mount().string(), "--full"});
  EXPECT_EQ(found.exit_code, 1) << found.err;
  for (const char* name : {"extraneous", "other", "file"}) {
    EXPECT_NE(found.out.find(name), std::string::npos) << name << " is not in: " << found.out;
  }
  mirror.stop();
  const Finished repaired = mirror.ctl(
      {"verify", "--full", "--repair", mirror.source().string(), mirror.replica().string()});
  EXPECT_NE(repaired.exit_code, 2) << repaired.err;
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_F(Control, VerifyOfTwoDirectoriesNeedsNoDaemon) {
  MirrorMount mirror;
  write_file(mirror.source("file"), "content");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.stop();
  const std::vector<std::string> question = {"verify", "--full", mirror.source().string(),
                                             mirror.replica().string()};
  EXPECT_EQ(mirror.ctl(question).exit_code, 0);
  append_to(mirror.replica("file"), "more");
  EXPECT_EQ(mirror.ctl(question).exit_code, 1);
}

TEST_F(Control, WhatIsNotMountedIsAnErrorOfOneLine) {
  const TempDir directory;
  for (const char* command : {"status", "wait", "verify", "pause", "resume"}) {
    const Finished finished = run({MIRRORCTL_PROGRAM, command, directory.path().string()});
    EXPECT_EQ(finished.exit_code, 2) << command;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
  }
}

TEST_F(Control, OnlyOwnerAndRootMayAsk) {
  MirrorMount mirror;
  mirror.start();
  const Finished finished =
      run({MIRRORCTL_PROGRAM, "status", mirror.mount().string()}, {.user = 65534});
  EXPECT_NE(finished.exit_code, 0) << finished.out;
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
