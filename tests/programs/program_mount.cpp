#include "program_mount.h"

#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <utility>

namespace mirrorfs::test {
namespace {

constexpr unsigned kOtherwise = 3;

bool on_path(const std::string& program) {
  if (program.starts_with('/')) return ::access(program.c_str(), R_OK) == 0;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin:/usr/sbin:/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((Path(folder) / program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

milliseconds patience() {
  constexpr unsigned kForACopy = 20'000;  // of a large database, on a busy machine
  return milliseconds(90'000 + 4'000 * program_seconds() + kForACopy * copies_wanted(0));
}

}  // namespace

unsigned program_seconds() {
  const char* given = std::getenv("MIRRORFS_PROGRAM_SECONDS");
  return given != nullptr ? static_cast<unsigned>(std::stoul(given)) : kOtherwise;
}

unsigned copies_wanted(unsigned otherwise) {
  const char* given = std::getenv("MIRRORFS_COPIES");
  return given != nullptr ? static_cast<unsigned>(std::stoul(given)) : otherwise;
}

std::string missing_programs(const std::vector<std::string>& programs) {
  for (const std::string& program : programs) {
    if (!on_path(program)) return "needs " + program;
  }
  return missing_for_mounts();
}

ProgramMount::ProgramMount(Filesystem kind, std::vector<std::string> options)
    : mirror_({.source = kind,
               .replica = kind,
               .options = std::move(options),
               .patience = std::chrono::duration_cast<std::chrono::seconds>(patience())}) {
  mirror_.start();
}

std::string ProgramMount::run(const std::vector<std::string>& command) const {
  return run_or_throw(command,
                      {.timeout = patience(),
                       .directory = mirror_.mount(),
                       .environment = {"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org",
                                       "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org",
                                       "GIT_CONFIG_GLOBAL=/dev/null"}});
}

void ProgramMount::copy_replica(const Path& relative, const Path& to) const {
  mirror_.pause();
  run_or_throw({"cp", "-a", mirror_.replica(relative).string(), to.string()});
  mirror_.resume();
}

void ProgramMount::expect_mirrored() {
  EXPECT_TRUE(mirror_.identical());
  EXPECT_TRUE(mirror_.rsync_finds_nothing());
  mirror_.stop();
  EXPECT_TRUE(mirror_.trees_equal());
}

}  // namespace mirrorfs::test
