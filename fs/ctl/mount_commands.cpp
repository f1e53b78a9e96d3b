#include <fmt/format.h>

#include <cstdio>

#include "fs/ctl/commands.h"
#include "fs/ctl/daemon_calls.h"
#include "fs/ctl/mapped_pages.h"
#include "mirrorfs/printable.h"

namespace mirrorfs::ctl {

int complain(const std::string& line) {
  std::fprintf(stderr, "mirrorctl: %s\n", printable(line).c_str());
  return kExitFailed;
}

int run_wait(const Arguments& arguments) {
  write_back_mapped_pages(arguments.paths[0]);
  const auto done = wait_until_durable(arguments.paths[0], arguments.timeout);
  if (!done) return complain(done.error());
  if (*done == Waited::kDone) return kExitYes;
  if (*done == Waited::kPaused) {
    complain(
        fmt::format("'{}': paused, so the replica does not get what it lacks; go on with: "
                    "mirrorctl resume '{}'",
                    arguments.paths[0].native(), arguments.paths[0].native()));
  } else {
    complain(
        fmt::format("'{}': the replica does not have everything yet", arguments.paths[0].native()));
  }
  return kExitNo;
}

int run_pause(const Arguments& arguments) {
  const auto stands_still = pause(arguments.paths[0]);
  if (!stands_still) return complain(stands_still.error());
  if (*stands_still) return kExitYes;
  complain(fmt::format("'{}': paused, but what was under way has not ended yet",
                       arguments.paths[0].native()));
  return kExitNo;
}

int run_resume(const Arguments& arguments) {
  const auto resumed = resume(arguments.paths[0]);
  return resumed ? int{kExitYes} : complain(resumed.error());
}

}  // namespace mirrorfs::ctl
