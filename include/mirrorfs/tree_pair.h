// Two trees given by path, for a command that works on them once: mirrorctl sync and verify.
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/losses.h"
#include "mirrorfs/tree_tools.h"

namespace mirrorfs {

struct TreePairOptions {
  std::filesystem::path source, replica;  ///< resolved once, by open()
  /// The replica may be changed: it is locked against every other mirrorfs, and refused if it
  /// belongs to another source (G8).
  bool for_change = false;
  bool adopt = false;  ///< with for_change: take over a replica that is not of this source
  RemovalLimit max_delete = {};  ///< with for_change
  /// With for_change: what the replica's filesystem need not hold. Absent: as the pair's last
  /// session had it.
  std::optional<Losses> tolerate = {};
  /// What is excluded, as MirrorOptions has it. Absent: as the pair's last session had it.
  std::optional<std::vector<std::string>> exclude = {};
};

/// One thread at a time.
class TreePair {
 public:
  /// Refuses what is not a directory, and trees of which one lies inside the other; the error is
  /// one line fit for the user. Changes neither tree but for pairing them.
  [[nodiscard]] static std::expected<std::unique_ptr<TreePair>, std::string> open(
      const TreePairOptions& options);
  virtual ~TreePair() = default;

  /// VerifyOptions::repair needs for_change. Blocks.
  [[nodiscard]] virtual Result<VerifyReport> verify(const VerifyOptions& options) = 0;
  /// What an earlier sync of the pair recorded spares looks, and what this one did is recorded for
  /// the next. Needs for_change unless SyncOptions::dry_run. Blocks.
  [[nodiscard]] virtual Result<SyncReport> sync(SyncOptions options) = 0;
};

}  // namespace mirrorfs
