// Comparing the trees of a mount while applications write to it.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "mirrorfs/examine.h"
#include "mirrorfs/tree_tools.h"

namespace mirrorfs::ctl {

struct LiveReport {
  /// What differs, and what is known to be owed for some time. With repair: what still does.
  VerifyReport verify;
  std::vector<std::string> busy;     ///< never stood still: nothing can be said about them
  std::vector<Difference> repaired;  ///< with repair: differed, and are equal now
};

struct LiveSteps {
  using Findings = std::expected<std::vector<Examined>, std::string>;
  std::function<void()> wait;                    ///< until the replica has all, for a bounded time
  std::function<Result<VerifyReport>()> verify;  ///< one comparison of both trees
  /// The daemon looks at these again, which knows what is under way; one finding each.
  std::function<Findings(const std::vector<std::string>& paths, bool repair)> examine;
  /// Until what examine() has marked is reconciled, or cannot be for now.
  std::function<void()> wait_for_repair;
};

/// A comparison of whole trees takes time, in which applications go on: what it finds are
/// candidates. Only those that the daemon finds to differ, twice, are differences.
[[nodiscard]] std::expected<LiveReport, std::string> verify_live(const LiveSteps& steps,
                                                                 bool repair);

}  // namespace mirrorfs::ctl
