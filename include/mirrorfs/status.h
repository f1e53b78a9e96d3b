// What the daemon knows of itself: the body of `mirrorctl status`.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/losses.h"
#include "mirrorfs/types.h"

namespace mirrorfs {

enum class MirrorState { kBaseline, kInSync, kLagging, kCatchingUp, kDegraded, kPaused };
[[nodiscard]] std::string_view to_string(MirrorState state);  ///< "baseline", "in-sync", …

struct BaselineProgress {
  bool running = false;
  std::uint64_t files_done = 0, files_total = 0;  ///< total grows while the walk discovers
  std::uint64_t bytes_done = 0, bytes_total = 0;
  /// Of the tree, from 0 to 1. While directories are still found it is a guess: what is below each
  /// counts as much as what is below its neighbours. 1 where nobody tells (a live baseline).
  double share_walked = 1;
};

/// After a session that was killed: what its journal had marked is compared.
struct RecoveryProgress {
  bool running = false;
  std::uint64_t marks = 0;    ///< found in the journal
  std::uint64_t objects = 0;  ///< of the source, looked at until nothing was marked any more
  std::uint64_t bytes = 0;    ///< copied until then
};

/// The comparison of both trees in the background. Times in seconds since 1970; 0: never.
struct ScrubStatus {
  std::chrono::seconds period{0};  ///< of a pass; 0: off
  bool running = false;            ///< a pass is under way
  std::int64_t pass_began = 0;
  std::uint64_t pass_objects = 0, pass_bytes = 0, pass_differences = 0;  ///< so far, or of the last
  std::uint64_t objects_total = 0, bytes_total = 0, differences_total = 0;  ///< since the start
  std::uint64_t passes_total = 0;                                           ///< complete ones
  std::int64_t last_verify = 0;        ///< when the last complete pass ended
  std::uint64_t last_differences = 0;  ///< that it found
};

/// An object the replica could not take, with the cause.
struct FailedObject {
  std::string path;  ///< relative to the root of the tree, for people to read only
  std::string cause;
};

/// The engine's part of the status.
struct EngineStatus {
  MirrorState state = MirrorState::kBaseline;
  bool answers = true;     ///< false: the engine hangs in a call on the replica
  double lag_seconds = 0;  ///< age of the oldest operation that is not applied, or marked
  std::uint64_t queued_ops = 0, queued_bytes = 0;
  SequenceNumber completed, applied, durable;
  std::uint64_t marks = 0;
  std::uint64_t errors_total = 0;
  std::string last_error;
  std::int64_t last_error_time = 0;  ///< seconds since 1970; 0: there was none
  std::uint64_t bytes_replicated_total = 0, ops_replicated_total = 0;
  BaselineProgress baseline;
  RecoveryProgress recovery;
  ScrubStatus scrub;
  std::uint64_t journal_marks = 0;   ///< in the journal: what the next start would compare
  std::vector<FailedObject> failed;  ///< the first few
  Losses losses;     ///< what the replica's filesystem cannot hold of what would be mirrored
  Losses tolerated;  ///< what it need not hold
  std::uint64_t generation = 0;      ///< of the pair
  std::vector<std::string> exclude;  ///< patterns, as they were given
};

}  // namespace mirrorfs
