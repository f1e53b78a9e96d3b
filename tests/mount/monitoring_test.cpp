// What an administrator learns of a mount without asking: log, service manager, --on-event.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "mirror_mount.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

using std::chrono::steady_clock;

std::string content_of(const Path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::size_t lines_with(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) count += line.find(part) != std::string::npos;
  return count;
}

class Monitoring : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  static std::string log_of(const MirrorMount& mirror) { return content_of(mirror.base() / "log"); }
  static bool comes_to(const MirrorMount& mirror, const std::string& state) {
    return eventually([&] { return mirror.status().state == state; });
  }
};

TEST_F(Monitoring, AHangUpOpensTheLogFileAnewAndTheMountGoesOn) {
  MirrorMount mirror;
  mirror.start();
  const Path log = mirror.base() / "log";
  std::filesystem::rename(log, mirror.base() / "log.1");
  ASSERT_EQ(::kill(mirror.daemon_pid(), SIGHUP), 0);
  EXPECT_TRUE(eventually([&] { return lines_with(content_of(log), "reopened") == 1; }));
  write_file(mirror.mount("file"), "content");
  EXPECT_TRUE(mirror.daemon_runs());
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
  EXPECT_EQ(lines_with(content_of(log), "is complete"), 1U) << content_of(log);
}

/// 260 files that a full replica does not take, among them one with a name that looks like a line.
TEST_F(Monitoring, AFullReplicaIsOneLineAndSoIsItsRecovery) {
  MirrorMount mirror({.replica_bytes = 4 << 20});
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  write_file(mirror.mount("ballast"), pattern(3 << 20, 1));
  for (unsigned number = 0; number < 260; ++number) {
    write_file(mirror.mount("x\nmirrorfs: state: in-sync" + std::to_string(number)),
               pattern(16 << 10, number));
  }
  ASSERT_TRUE(comes_to(mirror, "degraded"));
  ASSERT_TRUE(eventually([&] { return mirror.status().marks > 100; }));
  unlink_file(mirror.mount("ballast"));
  for (unsigned number = 0; number < 260; ++number) {
    unlink_file(mirror.mount("x\nmirrorfs: state: in-sync" + std::to_string(number)));
  }
  ASSERT_TRUE(mirror.identical());
  ASSERT_TRUE(comes_to(mirror, "in-sync"));
  const std::string log = log_of(mirror);
  EXPECT_EQ(lines_with(log, "now degraded: "), 1U) << log;
  EXPECT_EQ(lines_with(log, "degraded for "), 1U) << log;
  EXPECT_EQ(lines_with(log, "No space left"), lines_with(log, "cannot take") + 1) << log;
  EXPECT_LE(lines_with(log, "cannot take"), 3U) << log;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_FALSE(line.starts_with("mirrorfs: state")) << "a name has forged: " << line;
  }
  mirror.stop();
}

TEST_F(Monitoring, PauseAndResumeAreLoggedAndRunTheCommand) {
  MirrorMount mirror;
  const Path record = mirror.base() / "record";
  mirror.start({"--on-event=echo \"$MIRRORFS_PREVIOUS_STATE>$MIRRORFS_STATE $MIRRORFS_MOUNT\" >> " +
                record.string()});
  ASSERT_TRUE(mirror.identical());
  ASSERT_TRUE(eventually([&] { return lines_with(log_of(mirror), "state: ") >= 1; }));
  mirror.pause();
  mirror.resume();
  ASSERT_TRUE(comes_to(mirror, "in-sync"));
  write_file(mirror.mount("file"), "content");
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
  const std::string log = log_of(mirror);
  EXPECT_EQ(lines_with(log, "now paused"), 1U) << log;
  EXPECT_EQ(lines_with(log, "state: paused for"), 1U) << log;
  const std::string events = content_of(record);
  const std::string here = " " + mirror.mount().string();
  for (const char* event :
       {"in-sync>paused", "paused>in-sync", "in-sync>draining", "draining>complete"}) {
    EXPECT_EQ(lines_with(events, event + here), 1U) << event << " is not once in:\n" << events;
  }
}

TEST_F(Monitoring, AHungCommandStopsNeitherTheMountNorItsEnd) {
  MirrorMount mirror;
  mirror.start({"--on-event=sleep 1000"});
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  mirror.resume();
  write_file(mirror.mount("file"), "content");
  EXPECT_TRUE(mirror.identical());
  const auto start = steady_clock::now();
  mirror.stop();
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(16));
  EXPECT_TRUE(mirror.trees_equal());
  EXPECT_EQ(run({"pgrep", "-f", "^sleep 1000$"}).exit_code, 1) << "a command was left behind";
}

/// «could not be applied within 300 s» after 23 ms helps nobody.
TEST_F(Monitoring, AnEndThatIsNotCompleteTellsTheTrueTimeAndNumber) {
  MirrorMount mirror({.replica_bytes = 2 << 20});
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  write_file(mirror.mount("too large"), pattern(4 << 20, 1));
  ASSERT_TRUE(comes_to(mirror, "degraded"));
  mirror.request_stop(StopBy::kUmount);
  EXPECT_EQ(mirror.wait_until_gone(), 1);
  const std::string log = log_of(mirror);
  EXPECT_EQ(lines_with(log, "is not complete: all was tried ("), 1U) << log;
  EXPECT_EQ(lines_with(log, "1 objects may differ, the first: 'too large': "), 2U) << log;
  EXPECT_EQ(lines_with(log, "300 s"), 0U) << log;
  EXPECT_EQ(lines_with(log, "now incomplete: "), 1U) << log;
  const Finished check = mirror.ctl({"check", mirror.mount().string()});
  EXPECT_EQ(check.exit_code, 2);
  EXPECT_NE(check.out.find("is not complete: all was tried"), std::string::npos) << check.out;
}

TEST_F(Monitoring, AttributesThatAreTooLargeForTheReplicaAreSaidToBe) {
  MirrorMount mirror({.replica = Filesystem::kExt4});
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  write_file(mirror.mount("file"), "content");
  const std::string value(30'000, 'x');  // more than a block
  ASSERT_EQ(
      ::setxattr(mirror.mount("file").c_str(), "trusted.large", value.data(), value.size(), 0), 0);
  ASSERT_TRUE(comes_to(mirror, "degraded"));
  EXPECT_NE(mirror.status().last_error.find("too large an attribute"), std::string::npos)
      << mirror.status().last_error;
  EXPECT_EQ(read_file(mirror.replica("file")), "content");
  ASSERT_EQ(::removexattr(mirror.mount("file").c_str(), "trusted.large"), 0);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// What a service manager would show.
class NotifySocket {
 public:
  explicit NotifySocket(const Path& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    check(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind", path);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~NotifySocket() { ::unsetenv("NOTIFY_SOCKET"); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  /// All that has come until now.
  const std::string& received() {
    std::string message(4096, '\0');
    for (ssize_t size = 0; size >= 0;) {
      size = ::recv(fd_.get(), message.data(), message.size(), MSG_DONTWAIT);
      if (size > 0) all_ += message.substr(0, static_cast<std::size_t>(size)) + "\n";
    }
    return all_;
  }

 private:
  UniqueFd fd_;
  std::string all_;
};

TEST_F(Monitoring, TheServiceManagerIsToldEachState) {
  MirrorMount mirror;
  NotifySocket manager(mirror.base() / "notify");
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  EXPECT_TRUE(eventually([&] {
    return manager.received().find("STATUS=paused: by mirrorctl pause") != std::string::npos;
  })) << manager.received();
  mirror.resume();
  ASSERT_TRUE(comes_to(mirror, "in-sync"));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
  EXPECT_NE(manager.received().find("STATUS=in-sync\n"), std::string::npos) << manager.received();
  EXPECT_NE(manager.received().find("STATUS=complete\n"), std::string::npos) << manager.received();
}

}  // namespace
}  // namespace mirrorfs::test
