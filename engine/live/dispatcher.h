// The ordered stream: takes operations from the intake, lets those that share nothing run in
// parallel, and carries out for each what verdict.h decides.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <unordered_map>

#include "engine/live/live_state.h"
#include "engine/live/verdict.h"
#include "engine/stream/operation_facts.h"

namespace mirrorfs::live {

class Reconciler;
class TimeSetter;

/// Ring thread only.
class Dispatcher {
 public:
  Dispatcher(LiveState& state, Reconciler& reconciler, TimeSetter& times);

  /// Takes what the intake has, as far as the window allows. Called when the intake says that there
  /// is work.
  void pull();

  void pause() { paused_ = true; }
  void resume();
  /// Nothing is applied until release().
  void hold() { held_ = true; }
  void release();
  [[nodiscard]] bool paused() const { return paused_; }
  /// Nothing is being applied.
  [[nodiscard]] bool at_rest() const { return in_flight_ == 0; }

  /// Nothing taken is unfinished.
  [[nodiscard]] bool idle() const { return in_flight_ == 0 && taken_.empty(); }
  [[nodiscard]] std::uint64_t bytes_applied() const { return applier_.bytes_written(); }

  /// Whether one of the last operations was not applied, and the replica cannot take what it
  /// touched. For those who wait for it.
  [[nodiscard]] bool refused(SequenceNumber number) const;
  /// An operation on the entry that a mark covered when it started is not finished.
  [[nodiscard]] bool has_covered(const Location& entry) const {
    return covered_entries_.contains(entry);
  }
  [[nodiscard]] const std::unordered_map<Location, std::size_t>& covered_entries() const {
    return covered_entries_;
  }
  /// One of them changes an object that has further names.
  [[nodiscard]] bool has_covered_links() const { return covered_links_ > 0; }
  /// Of what the operation touched it is known that the replica has it, or cannot take it for now.
  [[nodiscard]] bool decided(SequenceNumber number) const;

 private:
  class Job;

  void advance();
  void start(stream::Recorded&& recorded);
  [[nodiscard]] ring::Task<void> run(std::shared_ptr<Job> job);
  [[nodiscard]] ring::Task<void> carry_out(const stream::Recorded& recorded);
  [[nodiscard]] ring::Task<Result<void>> set_times_before_unlink(const Operation& operation);
  [[nodiscard]] ring::Task<Result<void>> apply(const stream::Recorded& recorded);
  [[nodiscard]] SequenceNumber first_lacking(const stream::Recorded& recorded) const;
  void mark_touched(const stream::Recorded& recorded, const Error* error);
  void mark_name(const Location& name, SequenceNumber since);
  void mark_as_read(const stream::Recorded& recorded, const ObjectId& object);
  void mark_all_names(const stream::Recorded& recorded);
  void follow_readings(const stream::Recorded& recorded, Verdict verdict);
  void mark_unknown(const stream::Recorded& recorded);
  void mark_overflow(const stream::Recorded& recorded);
  void mark_object(const ObjectId& object, SequenceNumber since);
  void mark_other_names(const stream::Recorded& recorded);
  void note_parent_times(const stream::Recorded& recorded);
  void follow_excluded(const stream::Recorded& recorded);
  void follow_removed_directories(const Operation& operation);
  void forget_doubtful_names(const Operation& operation);
  void follow_last_link(const Operation& operation);
  void follow_names(const Operation& operation);
  void remember_refused(const stream::Recorded& recorded);
  void follow_refusals(const stream::Recorded& recorded);
  void remember_unapplied(SequenceNumber number, std::vector<Location> entries);
  void remember_unapplied(const stream::Recorded& recorded, bool tried);

  void cover(const Operation& operation);
  void uncover(const Operation& operation);
  void close(SequenceNumber number);
  void finish(const stream::Recorded& recorded);

  LiveState& state_;
  Reconciler& reconciler_;
  TimeSetter& times_;
  stream::Applier applier_;
  bool paused_ = false;
  bool held_ = false;
  std::size_t in_flight_ = 0;          ///< started and not finished
  SequenceNumber overflowed_;          ///< the last overflow that was marked
  std::size_t barriers_wait_for_ = 0;  ///< of those: not covered by a mark when they started
  std::unordered_map<Location, std::size_t> covered_entries_;  ///< of operations not finished
  std::size_t covered_links_ = 0;
  std::deque<stream::Recorded> taken_;  ///< not started: behind a barrier
  /// The last few, with those of their entries that were marked then; none: it had no name.
  std::map<SequenceNumber, std::vector<Location>> unapplied_;
};

}  // namespace mirrorfs::live
