#include <cstdio>

#include "fs/ctl/commands.h"
#include "fs/ctl/daemon_calls.h"

namespace mirrorfs::ctl {

int complain(const std::string& line) {
  std::fprintf(stderr, "mirrorctl: %s\n", line.c_str());
  return kExitFailed;
}

int run_wait(const Arguments& arguments) {
  const auto done = wait_until_durable(arguments.paths[0], arguments.timeout);
  if (!done) return complain(done.error());
  if (*done) return kExitYes;
  std::fprintf(stderr, "mirrorctl: '%s': the replica does not have everything yet\n",
               arguments.paths[0].c_str());
  return kExitNo;
}

int run_pause_or_resume(const Arguments& arguments) {
  const bool pause = arguments.command == Arguments::Command::kPause;
  const auto told = tell(arguments.paths[0], pause ? "pause" : "resume");
  return told ? int{kExitYes} : complain(told.error());
}

}  // namespace mirrorfs::ctl
