// mirrorctl as monitoring asks it: nothing looks good by mistake.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "mirror_mount.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

class Check : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    write_file(fstab_, "");
    ::setenv("LIBMOUNT_FSTAB", fstab_.c_str(), 1);
    ::setenv("MIRRORFS_STATE_DIR", (directory_.path() / "no-state").c_str(), 1);
  }
  ~Check() override {
    ::unsetenv("LIBMOUNT_FSTAB");
    ::unsetenv("MIRRORFS_STATE_DIR");
  }

  /// Of one mount; the line that it prints.
  static Finished check(const MirrorMount& mirror, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"check", mirror.mount().string()};
    words.insert(words.end(), more.begin(), more.end());
    return one_line(mirror.ctl(words));
  }
  /// Of all: other tests' mounts may be among them.
  static Finished check_all() { return one_line(run({MIRRORCTL_PROGRAM, "check"})); }

  static Finished one_line(Finished finished) {
    EXPECT_EQ(std::count(finished.out.begin(), finished.out.end(), '\n'), 1) << finished.out;
    EXPECT_EQ(finished.err, "");
    return finished;
  }
  static bool names(const Finished& finished, const MirrorMount& mirror, const std::string& what) {
    return finished.out.find("'" + mirror.mount().string() + "' " + what) != std::string::npos;
  }

  TempDir directory_;
  const Path fstab_ = directory_.path() / "fstab";
};

TEST_F(Check, AGoodMirrorIsGood) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  ASSERT_TRUE(eventually([&] { return check(mirror).exit_code == 0; }));
  EXPECT_EQ(mirror.ctl({"status", "--exit-code", mirror.mount().string()}).exit_code, 0);
  mirror.stop();
}

TEST_F(Check, APausedOneIsSaidToBe) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  const Finished finished = check(mirror);
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_TRUE(names(finished, mirror, "paused")) << finished.out;
  EXPECT_EQ(mirror.ctl({"status", "--exit-code", mirror.mount().string()}).exit_code, 1);
  mirror.resume();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Check, WaitOnAPausedOneSaysSoAtOnce) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  write_file(mirror.mount("file"), "content");
  const auto start = steady_clock::now();
  const Finished waited = mirror.ctl({"wait", mirror.mount().string()});
  EXPECT_EQ(waited.exit_code, 1);
  EXPECT_NE(waited.err.find("paused"), std::string::npos) << waited.err;
  EXPECT_LT(steady_clock::now() - start, seconds(5));
  mirror.resume();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// G5: what is marked counts: 0.0 with files missing would look good.
TEST_F(Check, WhatIsMissingOnAFullReplicaIsLag) {
  MirrorMount mirror({.replica_bytes = 2 << 20});
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  write_file(mirror.mount("too large"), pattern(4 << 20, 1));
  ASSERT_TRUE(eventually([&] { return mirror.status().state == "degraded"; }));
  ::sleep(2);
  const auto status = nlohmann::json::parse(mirror.status().json);
  EXPECT_GT(status.at("lag_seconds").get<double>(), 1.9) << status;
  EXPECT_LT(status.at("lag_seconds").get<double>(), 60) << status;
  EXPECT_GT(status.at("last_error_time").get<double>(), 1e9) << status;
  EXPECT_LT(status.at("replica_free_bytes").get<double>(), 2 << 20) << status;
  EXPECT_GT(status.at("state_seconds").at("degraded").get<double>(), 1) << status;
  const Finished finished = check(mirror);
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_TRUE(names(finished, mirror, "degraded: 'too large': ")) << finished.out;
  unlink_file(mirror.mount("too large"));
  EXPECT_TRUE(mirror.identical());
  ASSERT_TRUE(eventually([&] { return check(mirror).exit_code == 0; }));
  EXPECT_EQ(nlohmann::json::parse(mirror.status().json).at("lag_seconds").get<double>(), 0);
  mirror.stop();
}

TEST_F(Check, ADaemonThatHangsIsAnsweredForInTime) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  ASSERT_EQ(::kill(mirror.daemon_pid(), SIGSTOP), 0);
  const auto start = steady_clock::now();
  const Finished one = check(mirror);
  const Finished all = check_all();
  const Finished metrics = run({MIRRORCTL_PROGRAM, "metrics"});
  EXPECT_LT(steady_clock::now() - start, seconds(15));
  ASSERT_EQ(::kill(mirror.daemon_pid(), SIGCONT), 0);
  EXPECT_EQ(one.exit_code, 2);
  EXPECT_TRUE(names(one, mirror, "hung")) << one.out;
  EXPECT_EQ(all.exit_code, 2);
  EXPECT_TRUE(names(all, mirror, "hung")) << all.out;
  EXPECT_NE(metrics.out.find("mirrorfs_up{mount=\"" + mirror.mount().string() + "\"} 0"),
            std::string::npos)
      << metrics.out;
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Check, AKilledDaemonIsMissedBeforeAndAfterTheMountIsRemoved) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  ASSERT_EQ(::kill(mirror.daemon_pid(), SIGKILL), 0);
  ASSERT_TRUE(mirror.wait_until_gone());
  Finished one = check(mirror);
  EXPECT_EQ(one.exit_code, 2);
  EXPECT_TRUE(names(one, mirror, "dead: mounted, but its daemon is gone")) << one.out;
  mirror.crash();  // removes the dead mount
  one = check(mirror);
  EXPECT_EQ(one.exit_code, 2);
  EXPECT_TRUE(names(one, mirror, "dead: not mounted; its daemon has died")) << one.out;
  const Finished all = check_all();
  EXPECT_EQ(all.exit_code, 2);
  EXPECT_TRUE(names(all, mirror, "dead")) << all.out;
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  ASSERT_TRUE(eventually([&] { return check(mirror).exit_code == 0; }));
  mirror.stop();
}

/// As after a reboot: nothing is left in /run, but the state directory knows.
TEST_F(Check, AKilledOneWhoseMountPointIsRemovedIsNotMissed) {
  std::string mount;
  {
    MirrorMount mirror;
    mount = mirror.mount().string();
    mirror.start();
    mirror.crash();
    ASSERT_NE(check_all().out.find(mount), std::string::npos);
  }
  EXPECT_EQ(check_all().out.find(mount), std::string::npos);
}

TEST_F(Check, APairWhoseSessionDidNotEndIsMissed) {
  MirrorMount mirror;
  ::setenv("MIRRORFS_STATE_DIR", mirror.state_directory().c_str(), 1);
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  EXPECT_EQ(check_all().out.find(mirror.replica().string()), std::string::npos);
  mirror.crash();
  for (const auto& entry : std::filesystem::directory_iterator("/run/mirrorfs")) {
    if (entry.path().extension() == ".last") std::filesystem::remove(entry.path());
  }
  const Finished all = check_all();
  EXPECT_EQ(all.exit_code, 2);
  EXPECT_NE(all.out.find("'" + mirror.replica().string() + "' dead: the mirror of"),
            std::string::npos)
      << all.out;
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
  EXPECT_EQ(check_all().out.find(mirror.replica().string()), std::string::npos);
}

TEST_F(Check, WhatFstabAsksForIsMissed) {
  MirrorMount mirror;
  write_file(fstab_, mirror.source().string() + " " + mirror.mount().string() +
                         " mirrorfs dst=" + mirror.replica().string() + ",nofail 0 0\n");
  Finished all = check_all();
  EXPECT_EQ(all.exit_code, 2);
  EXPECT_TRUE(names(all, mirror, "absent: fstab asks for it: not mounted")) << all.out;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  all = check_all();
  EXPECT_FALSE(names(all, mirror, "absent")) << all.out;
  mirror.stop();
}

TEST_F(Check, AfterAnUnmountCompleteCanBeToldFromNeverMounted) {
  MirrorMount mirror;
  Finished never = check(mirror);
  EXPECT_EQ(never.exit_code, 2);
  EXPECT_NE(never.out.find("nor was it since the boot"), std::string::npos) << never.out;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.stop();
  const Finished after = check(mirror);
  EXPECT_EQ(after.exit_code, 2);
  EXPECT_NE(after.out.find("'" + mirror.replica().string() + "' is complete"), std::string::npos)
      << after.out;
  const Finished status = mirror.ctl({"status", mirror.mount().string()});
  EXPECT_EQ(status.exit_code, 2);
  EXPECT_NE(status.err.find("is complete"), std::string::npos) << status.err;
}

TEST_F(Check, ADetachedMountIsSaidToBe) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  {
    const UniqueFd open = open_file(mirror.mount("file"), O_RDWR | O_CREAT);
    ASSERT_EQ(::umount2(mirror.mount().c_str(), MNT_DETACH), 0);
    const Finished finished = check(mirror);
    EXPECT_EQ(finished.exit_code, 2);
    EXPECT_TRUE(names(finished, mirror, "detached")) << finished.out;
    const Finished status = mirror.ctl({"status", mirror.mount().string()});
    EXPECT_NE(status.out.find("detached (umount -l)"), std::string::npos) << status.out;
  }
  EXPECT_EQ(mirror.wait_until_gone(), 0);
  EXPECT_TRUE(mirror.trees_equal());
}

/// The watcher's exit code, and what it says, when the daemon ends.
Finished watch_until(const MirrorMount& mirror, const std::function<void()>& end) {
  Finished result;
  std::thread watching(
      [&] { result = run({MIRRORCTL_PROGRAM, "status", "--watch", mirror.mount().string()}); });
  ::usleep(1'500'000);
  end();
  watching.join();
  return result;
}

TEST_F(Check, WatchEndsWithTheReason) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  const Finished killed = watch_until(mirror, [&] { mirror.crash(); });
  EXPECT_EQ(killed.exit_code, 2);
  EXPECT_NE(killed.err.find("has died"), std::string::npos) << killed.err;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  const Finished stopped = watch_until(mirror, [&] { mirror.stop(); });
  EXPECT_EQ(stopped.exit_code, 0);
  EXPECT_NE(stopped.err.find("is complete"), std::string::npos) << stopped.err;
}

TEST_F(Check, SettingsChangeWhatTheMountDoes) {
  MirrorMount mirror({.options = {"--io=through"}});
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  const Finished set = mirror.ctl({"set", mirror.mount().string(), "mode=sync", "drain-timeout=7"});
  ASSERT_EQ(set.exit_code, 0) << set.err;
  EXPECT_NE(set.out.find("mode=sync\n"), std::string::npos) << set.out;
  EXPECT_NE(set.out.find("drain-timeout=7\n"), std::string::npos) << set.out;
  for (unsigned number = 0; number < 50; ++number) {
    const std::string name = "file" + std::to_string(number);
    write_file(mirror.mount(name), "content");
    EXPECT_TRUE(is_there(mirror.replica(name))) << "mode sync is not in force";
  }
  const auto status = nlohmann::json::parse(mirror.status().json);
  EXPECT_EQ(status.at("mode"), "sync");
  EXPECT_EQ(status.at("drain_timeout"), 7);
  const Finished refused = mirror.ctl({"set", mirror.mount().string(), "transport=dev"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("transport"), std::string::npos) << refused.err;
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// G5: writers that wait for room go on when there is more of it.
TEST_F(Check, ALargerQueueLetsWritersIn) {
  MirrorMount mirror({.options = {"--io=through", "--queue-size=1M", "--overflow=throttle"}});
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    write_file(mirror.mount("file"), pattern(4 << 20, 1));
    done = true;
  });
  ::usleep(700'000);
  EXPECT_FALSE(done) << "nothing is put to the test";
  EXPECT_EQ(mirror.ctl({"set", mirror.mount().string(), "queue-size=64M"}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return done.load(); })) << "the writer still waits";
  mirror.resume();
  writer.join();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(Check, MetricsGoToAFileInOneStep) {
  MirrorMount mirror;
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  const Path file = directory_.path() / "mirrorfs.prom";
  write_file(file, "old");
  const Finished finished =
      mirror.ctl({"metrics", mirror.mount().string(), "--textfile=" + file.string()});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, "");
  const std::string text = read_file(file);
  EXPECT_NE(text.find("mirrorfs_up{mount=\"" + mirror.mount().string() + "\"} 1\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(stat_of(file).st_mode & 0777, 0644U);
  if (run({"promtool", "--version"}).exit_code == 0) {
    const Finished lint = run({"sh", "-c", "promtool check metrics < " + file.string()});
    EXPECT_EQ(lint.exit_code, 0) << lint.out << lint.err;
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    EXPECT_NE(entry.path().extension(), ".new") << "left behind: " << entry.path();
  }
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
