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

int run_pause(const Arguments& arguments) {
  const auto stands_still = pause(arguments.paths[0]);
  if (!stands_still) return complain(stands_still.error());
  if (*stands_still) return kExitYes;
  std::fprintf(stderr, "mirrorctl: '%s': paused, but what was under way has not ended yet\n",
               arguments.paths[0].c_str());
  return kExitNo;
}

int run_resume(const Arguments& arguments) {
  const auto resumed = resume(arguments.paths[0]);
  return resumed ? int{kExitYes} : complain(resumed.error());
}

}  // namespace mirrorfs::ctl
