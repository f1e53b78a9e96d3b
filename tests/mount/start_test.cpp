// G4: a daemon that is killed ends, at any moment of its start.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

class Start : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

/// A start under strace(1), until the mount answers; the file calls of the daemon itself, without
/// those of the programs that it runs.
std::vector<std::string> calls_of_a_start(const MirrorMount& mirror, const std::string& transport) {
  const Path trace = mirror.base() / "trace";
  std::vector<std::string> words = {"strace", "-f", "-e", "trace=%file,execve", "-o", trace};
  for (const std::string& word : mirror.command({"--transport=" + transport})) {
    words.push_back(word);
  }
  const UniqueFd output = open_file(mirror.base() / "output", O_WRONLY | O_CREAT, 0666);
  ChildProcess tracer = ChildProcess::start(words, {}, output.get(), output.get());
  const bool answers = eventually(
      [&mirror] { return mirror.ctl({"check", mirror.mount().string()}).exit_code == 0; },
      milliseconds(30'000));
  EXPECT_TRUE(answers) << mirror.log_tail();
  const Finished status = mirror.ctl({"status", mirror.mount().string(), "--json"});
  ::kill(nlohmann::json::parse(status.out).at("pid").get<pid_t>(), SIGKILL);
  EXPECT_TRUE(tracer.wait(milliseconds(10'000))) << "the daemon survives kill -9";

  std::set<std::string> others;  // by process id
  std::vector<std::string> lines;
  std::ifstream file(trace);
  for (std::string line; std::getline(file, line);) {
    const std::string process = line.substr(0, line.find(' '));
    const bool runs_a_program = line.find(" execve(") != std::string::npos && !lines.empty();
    if (runs_a_program) others.insert(process);
    if (!others.contains(process)) lines.push_back(line);
  }
  return lines;
}

// A thread that waits for what its own process has to answer cannot be killed, and the connection
// stays open as long as it waits.
//
// The mutant: statfs(2) of the mount point in Daemon::confirm_mount.
TEST_F(Start, G4TheDaemonAsksNothingOfItsOwnMount) {
  for (const char* transport : {"uring", "dev"}) {
    SCOPED_TRACE(transport);
    const MirrorMount mirror;
    const std::string mount_point = "\"" + mirror.mount().string();
    std::size_t mounted = 0;
    for (const std::string& line : calls_of_a_start(mirror, transport)) {
      const bool mounts = line.find(" mount(") != std::string::npos;
      if (mounts) ++mounted;
      if (mounted == 0 || mounts) continue;
      EXPECT_EQ(line.find(mount_point), std::string::npos) << line;
    }
    EXPECT_EQ(mounted, 1U) << "the trace does not show what it should";
  }
}

}  // namespace
}  // namespace mirrorfs::test
