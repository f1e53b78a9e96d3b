// The ordered stream: takes operations from the intake, lets those that share nothing run in
// parallel, and decides for each whether it is applied or marked.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>

#include "engine/live/live_state.h"
#include "engine/stream/operation_facts.h"

namespace mirrorfs::live {

class Reconciler;

/// Ring thread only.
class Dispatcher {
 public:
  Dispatcher(LiveState& state, Reconciler& reconciler)
      : state_(state),
        reconciler_(reconciler),
        applier_(state.ring, {state.directories, state.files, state.links}, state.rights) {}

  /// Takes what the intake has, as far as the window goes. Called when the intake says that there
  /// is work, and whenever the window has room again.
  void pull();

  void pause() { paused_ = true; }
  void resume();
  [[nodiscard]] bool paused() const { return paused_; }
  /// Nothing is being applied.
  [[nodiscard]] bool at_rest() const { return in_flight_ == 0; }

  /// Nothing taken is unfinished.
  [[nodiscard]] bool idle() const { return in_flight_ == 0 && held_back_.empty(); }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_ + held_back_.size(); }
  [[nodiscard]] std::uint64_t bytes_applied() const { return applier_.bytes_written(); }

  /// Whether one of the last operations was not applied, and the replica cannot take what it
  /// touched (Marks::decided_through()). For those who wait for it.
  [[nodiscard]] bool refused(SequenceNumber number) const;

 private:
  class Job;
  enum class Verdict {
    kApply,
    kMark,  ///< what it touched is reconciled later
    kSkip,  ///< a mark or a directory still to be walked covers it
  };

  void admit(stream::Recorded&& recorded);
  void admit_held_back();
  void start(stream::Recorded&& recorded);
  void mark_unknown(const stream::Recorded& recorded);
  void mark_overflow(const stream::Recorded& recorded);
  void mark_linked(const ObjectId& object, SequenceNumber since);
  [[nodiscard]] ring::Task<void> run(std::shared_ptr<Job> job);
  [[nodiscard]] ring::Task<Result<void>> apply_and_settle(const stream::Recorded& recorded);
  [[nodiscard]] bool is_known(const ObjectId& directory) const;
  [[nodiscard]] Verdict judge(const stream::Recorded& recorded) const;
  void mark_other_names(const stream::Recorded& recorded);
  void forget_removed_directories(const Operation& operation);
  void mark_touched(const stream::Recorded& recorded, const Error* error);
  void remember_unapplied(const stream::Recorded& recorded, bool tried);
  [[nodiscard]] ring::Task<Result<void>> settle(const stream::ObjectAfter& object);
  [[nodiscard]] ring::Task<Result<void>> settle_before_names_change(const Operation& operation);
  [[nodiscard]] ring::Task<Result<void>> settle_objects(const Operation& operation);
  [[nodiscard]] ring::Task<void> settle_unapplied(const Operation& operation);
  void finish(const stream::Recorded& recorded);

  LiveState& state_;
  Reconciler& reconciler_;
  stream::Applier applier_;
  bool paused_ = false;
  bool window_was_full_ = false;  ///< the intake may have more
  std::size_t in_flight_ = 0;
  std::deque<stream::Recorded> held_back_;  ///< behind a barrier that waits for what is in flight
  /// The last few, with those of their entries that were marked then; none: it had no name.
  std::map<SequenceNumber, std::vector<Location>> unapplied_;
};

}  // namespace mirrorfs::live
