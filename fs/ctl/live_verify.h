// Comparing the trees of a mount while applications write to it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mirrorfs/tree_tools.h"

namespace mirrorfs::ctl {

struct LiveReport {
  VerifyReport verify;                 ///< differences that stood still
  std::vector<std::string> unsettled;  ///< kept changing: nothing can be said about them
};

struct LiveSteps {
  std::function<void()> wait;                    ///< until the replica has all, for a bounded time
  std::function<Result<VerifyReport>()> verify;  ///< one comparison of both trees
  /// The source's object, or the directory it would stand in, has changed since the time.
  std::function<bool(const std::string& path, timespec since)> changed_since;
};

/// A difference is one when a comparison that began after a wait still finds it, in every round,
/// and its object did not change meanwhile: what is being written lags behind by nature.
[[nodiscard]] Result<LiveReport> verify_live(const LiveSteps& steps);

/// LiveSteps::changed_since by ctime, for a tree. Never follows a link out of it.
[[nodiscard]] bool changed_in_tree(int root, const std::string& path, timespec since);

}  // namespace mirrorfs::ctl
