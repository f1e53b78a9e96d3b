// The command line of simulate.
#pragma once

#include <cstdint>
#include <string>

#include "plan.h"

namespace mirrorfs::simulation {

enum class Command { kOne, kMany, kShrink, kReplayTwice, kCorpus };

struct Arguments {
  Command command = Command::kOne;
  std::uint64_t from = 0, to = 0;  ///< seeds, without the last
  unsigned jobs = 1;
  unsigned seconds = 0;  ///< 0: no limit
  unsigned most_failures = 20;
  bool trace = false;
  bool digests = false;
  std::string options;  ///< see change_plan()
  std::string corpus;   ///< file
};

/// Ends the process with a line on standard error when they make no sense.
[[nodiscard]] Arguments parse_arguments(int argc, char** argv);

/// The seed's plan under these options; ends the process when they make no sense.
[[nodiscard]] Plan plan_of(std::uint64_t seed, const std::string& options);

}  // namespace mirrorfs::simulation
