// What becomes of an operation when its turn has come.
#pragma once

#include "engine/live/live_state.h"
#include "engine/stream/operation_facts.h"

namespace mirrorfs::live {

enum class Verdict : std::uint8_t {
  kApply,
  kMark,      ///< what it touched is reconciled later
  kSkip,      ///< a reading has it already, or a mark or a walk still to come covers it
  kExcluded,  ///< only the times of the directories in which it changed entries follow
};

/// The one place that decides; reads the state and changes nothing. Call it with the operation's
/// claims held.
[[nodiscard]] Verdict judge(const LiveState& state, const stream::Recorded& recorded);

/// The directories that it moves out of what is mirrored: from where the table has them to where it
/// has none.
[[nodiscard]] std::vector<ObjectId> moved_outside(const LiveState& state,
                                                  const Operation& operation);

/// Everything it touches is marked or below a directory still to be walked: the replica can lack it
/// without a further mark, and a barrier need not wait for it.
[[nodiscard]] bool is_covered(const LiveState& state, const Operation& operation);

}  // namespace mirrorfs::live
