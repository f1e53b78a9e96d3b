// mirrorctl: reads the command line and runs the command.
#include <malloc.h>

#include <cstdio>
#include <string>
#include <vector>

#include "fs/ctl/arguments.h"
#include "fs/ctl/command_rules.h"
#include "fs/ctl/commands.h"
#include "mirrorfs/version.h"

namespace mirrorfs::ctl {
namespace {

/// A thread's own arena would open /proc/sys/vm/overcommit_memory when it shrinks: the only path
/// that sync and verify resolve after their start (G7). One thread does their work, so others
/// hardly wait for it.
void share_one_arena() { mallopt(M_ARENA_MAX, 1); }

int run(const std::vector<std::string>& words) {
  share_one_arena();
  const auto arguments = parse_arguments(words);
  if (!arguments) return complain(arguments.error());
  using Command = Arguments::Command;
  switch (arguments->command) {
    case Command::kHelp:
      return std::fputs(help_text().c_str(), stdout) < 0 ? kExitFailed : kExitYes;
    case Command::kVersion:
      return std::printf("mirrorctl %s\n", kVersion) < 0 ? kExitFailed : kExitYes;
    case Command::kStatus: return run_status(*arguments);
    case Command::kCheck: return run_check(*arguments);
    case Command::kMetrics: return run_metrics(*arguments);
    case Command::kSet: return run_set(*arguments);
    case Command::kWait: return run_wait(*arguments);
    case Command::kVerify: return run_verify(*arguments);
    case Command::kSync: return run_sync(*arguments);
    case Command::kPause: return run_pause(*arguments);
    case Command::kResume: return run_resume(*arguments);
    case Command::kPairs: return run_pairs(*arguments);
    case Command::kPromote: return run_promote(*arguments);
  }
  return kExitFailed;
}

}  // namespace
}  // namespace mirrorfs::ctl

int main(int count, char** arguments) {
  return mirrorfs::ctl::run(std::vector<std::string>(arguments + 1, arguments + count));
}
