// When what was applied is on the replica's stable storage.
#pragma once

#include <time.h>

#include <optional>

#include "engine/live/live_state.h"

namespace mirrorfs::live {

class Reconciler;
class TimeSetter;

/// One syncfs(2) at a time serves everybody who waits for it. Ring thread only.
class Durability {
 public:
  Durability(LiveState& state, Reconciler& reconciler, TimeSetter& times, int source_root,
             int replica_root);

  [[nodiscard]] SequenceNumber durable() const { return durable_; }
  /// The last sync failed, and none has succeeded since what it may have lost was written again.
  [[nodiscard]] bool suspect() const { return suspect_; }

  /// Everything up to `number`, which must be applied or reconciled, is durable when it returns
  /// true. False: the sync failed, or one before did and what it may have lost is not written again
  /// yet.
  [[nodiscard]] ring::Task<bool> reach(SequenceNumber number);

  /// The same of one object, which stands there on the replica, and of nothing else: what others
  /// have written does not have to go to the disk for it.
  [[nodiscard]] ring::Task<bool> sync_object(ObjectId object, Location where);

  /// Syncs now, also what no operation stands for (reconciled objects).
  [[nodiscard]] ring::Task<bool> sync();

  /// What was written since the last sync may be lost, as if that sync had failed.
  void note_lost();
  /// What was written before is durable; 1 ns: nothing is known to be.
  [[nodiscard]] const timespec& good_since() const { return good_since_; }

  /// Looks for failed write-backs while nobody asks: syncs some time after something was written.
  /// Sleeps as long as nothing is; ends when the ring stops.
  [[nodiscard]] ring::Task<void> watch();

 private:
  void note_good(SequenceNumber applied, std::uint64_t reconciled, const timespec& started);
  void note_failed(int error, const char* what);
  [[nodiscard]] bool behind() const {
    return durable_ < state_.finished.closed_through() || reconciled_ != state_.reconciled;
  }

  void clear_marks(SequenceNumber through, std::uint64_t round);
  [[nodiscard]] ring::Task<void> clear_marks_meanwhile();
  [[nodiscard]] ring::Task<bool> sync_suspect();
  [[nodiscard]] ring::Task<void> closes_under_way();
  [[nodiscard]] ring::Task<Result<void>> fsync(ObjectId object, Location where);

  LiveState& state_;
  Reconciler& reconciler_;
  TimeSetter& times_;
  int source_root_, replica_root_;
  SequenceNumber durable_;
  std::uint64_t reconciled_ = 0;  ///< LiveState::reconciled when durable_ was reached
  std::uint64_t started_ = 0, ended_ = 0, last_good_ = 0;
  timespec good_since_{};  ///< what was written before is durable; zero: nothing is known to be
  bool suspect_ = false;   ///< a sync failed; what it may have lost is still to be written again
  ring::Event round_done_;
  std::optional<SequenceNumber> complete_;  ///< applied, with its times, before the next round
  SequenceNumber cleared_through_;          ///< up to where marks may go from the journal
  std::uint64_t cleared_round_ = 0;         ///< MarkJournal::begin_round()
  bool clearing_ = false;
};

}  // namespace mirrorfs::live
