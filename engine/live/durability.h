// When what was applied is on the replica's stable storage.
#pragma once

#include "engine/live/live_state.h"

namespace mirrorfs::live {

class Reconciler;

/// One syncfs(2) at a time serves everybody who waits for it. Ring thread only.
class Durability {
 public:
  Durability(LiveState& state, Reconciler& reconciler, int replica_root)
      : state_(state), reconciler_(reconciler), replica_root_(replica_root) {}

  [[nodiscard]] SequenceNumber durable() const { return durable_; }

  /// Everything up to `number`, which must be applied or reconciled, is durable when it returns
  /// true. False: the
  /// sync failed, what was written since the last one may be lost, and is marked.
  [[nodiscard]] ring::Task<bool> reach(SequenceNumber number);

  /// Syncs now, also what no operation stands for (reconciled objects).
  [[nodiscard]] ring::Task<bool> sync();

 private:
  LiveState& state_;
  Reconciler& reconciler_;
  int replica_root_;
  SequenceNumber durable_;
  std::uint64_t reconciled_ = 0;  ///< LiveState::reconciled when durable_ was reached
  std::uint64_t started_ = 0, ended_ = 0, last_good_ = 0;
  ring::Event round_done_;
};

}  // namespace mirrorfs::live
