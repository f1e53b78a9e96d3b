// Makes marked entries and unknown directories equal to the source while operations go on: the
// baseline, recovery, catching up and repair are all this.
#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "engine/live/live_state.h"
#include "engine/live/lost_directories.h"
#include "engine/tree/reconcile.h"
#include "engine/tree/staging.h"
#include "mirrorfs/status.h"

namespace mirrorfs::live {

/// How a reconcile and the operations stay apart, without a lock on the source:
///  - it holds claims as if it were an operation: what comes later on the same objects waits;
///  - what waited may be reflected already in the source that it read. Content and attributes are
///    absolute and are applied again without harm; a change of directory entries that had begun
///    when the reconcile ended is not applied but marks its entries again (may_hold_already()).
/// Ring thread only.
class Reconciler {
 public:
  Reconciler(LiveState& state, tree::Staging& staging);

  /// Walks the whole tree. `policy` decides what counts as equal.
  void start_baseline(tree::Policy policy);

  /// Marks the entry and reconciles it soon.
  void request(const Location& entry, SequenceNumber since);
  /// Nothing is known any more: walk everything, comparing content that changed since the start.
  void request_everything(SequenceNumber since);
  /// The directory's listing is not known any more: walks it soon.
  void request_directory(const ObjectId& directory, SequenceNumber since);
  void directory_is_gone(const ObjectId& directory);

  /// Called by somebody who holds claims on `directories`, right before leaving them: sets the
  /// times of those that nobody else works in. When it returns nothing has run since the last
  /// question was asked, so that of two who leave one surely sees itself alone.
  [[nodiscard]] ring::Task<void> settle_directories(const std::vector<ObjectId>& directories);

  /// An operation was applied: names of hardlinked objects and new directories follow it.
  void applied(const Operation& operation);

  /// Whether a reconcile may have brought the operation's effect already: it ended after the
  /// operation had begun, so it may have seen a change that was not even recorded yet.
  [[nodiscard]] bool may_hold_already(const Location& entry,
                                      const stream::Recorded& recorded) const;

  /// Whether a reconcile brought an entry to a later time, at which it is another object than the
  /// one whose content or attributes the operation changes.
  [[nodiscard]] bool holds_another_object(const stream::Recorded& recorded) const;

  /// Tries failed entries again when their time has come; ends when the ring stops.
  [[nodiscard]] ring::Task<void> retry_loop();
  /// Tries every failed entry again, now.
  void retry_all();

  /// Nothing is queued, under way or searched for (failed entries may wait for their next try).
  [[nodiscard]] bool idle() const {
    return entry_queue_.empty() && directory_queue_.empty() && active_entries_ == 0 &&
           active_directories_ == 0 && lost_.none() && unmet_.empty();
  }
  void pause() { paused_ = true; }
  /// Nothing is being reconciled.
  [[nodiscard]] bool at_rest() const { return active_entries_ == 0 && active_directories_ == 0; }
  void resume();

  [[nodiscard]] BaselineProgress progress() const;

 private:
  class PassObserver;
  enum class Attempt { kDone, kAgain };

  enum class Origin { kOperation, kWalk };
  void enqueue(const Location& entry, SequenceNumber since, Origin origin);
  void note_displaced();
  void queue_entry(const Location& entry);
  void walk_anew(const ObjectId& directory);
  void set_times_now(const ObjectId& directory, const state::DirHandle& handle);
  void attributes_unsettled(const ObjectId& directory);
  void queue_directory(const ObjectId& directory);
  void retry_root();
  // What the source shows no more in its place (search.cpp).
  [[nodiscard]] Attempt not_in_its_place(const ObjectId& directory);
  [[nodiscard]] ring::Task<Result<state::DirHandle>> open_reachable_source(ObjectId directory);
  void no_directory_at(const Location& place);
  void look_for_lost();
  void walk_everything(SequenceNumber since);
  void note_unmet();
  void forget_unmet();
  void pump();
  void after_work();
  [[nodiscard]] bool baseline_in_progress() const;

  // Entries (reconcile_entries.cpp).
  [[nodiscard]] ring::Task<void> entry_task(Location entry);
  [[nodiscard]] ring::Task<Attempt> try_entry(const Location& entry);
  [[nodiscard]] ring::Task<Attempt> entry_held(const Location& entry, const Metadata* expected,
                                               const state::DirHandle& source);
  [[nodiscard]] ring::Task<Attempt> look_again(const Location& entry, const Metadata* expected,
                                               const state::DirHandle& source);
  void parent_is_damaged(const Location& entry);
  [[nodiscard]] ring::Task<Result<void>> reconcile_held(const Location& entry,
                                                        const std::optional<Metadata>& now,
                                                        const state::DirHandle& source);
  [[nodiscard]] ring::Task<Result<void>> directory_entry(const Location& entry,
                                                         const tree::EntryResult& result);
  [[nodiscard]] ring::Task<bool> offer_links(const Location& entry, const Metadata& source);
  [[nodiscard]] ring::Task<Result<void>> compare_linked(const Location& entry,
                                                        const Metadata& source,
                                                        const tree::DirectoryPair& pair);
  [[nodiscard]] ring::Task<void> detach_shared(const Location& entry, int replica_directory);
  [[nodiscard]] ring::Task<void> settle_parent(const Location& entry,
                                               const state::DirHandle& source,
                                               SequenceNumber before);
  void entry_failed(const Location& entry, const Error& error);

  // Replica directories that stand for another one (replaced_directories.cpp).
  void place(const ObjectId& directory, const Location& where);
  [[nodiscard]] bool must_make_room(const Location& entry, const Metadata* source) const;
  [[nodiscard]] std::unordered_set<ObjectId> doomed_by(const Location& entry,
                                                       const Metadata* source) const;
  void forget_below(const ObjectId& directory);
  void give_up_replica_of(const ObjectId& directory);
  [[nodiscard]] ring::Task<Result<void>> make_room(const Location& entry, const Metadata* source,
                                                   const tree::DirectoryPair& pair);

  // Directories (reconcile_directories.cpp).
  [[nodiscard]] ring::Task<void> directory_task(ObjectId directory);
  [[nodiscard]] ring::Task<Attempt> try_directory(ObjectId directory);
  [[nodiscard]] ring::Task<Attempt> directory_held(ObjectId directory);
  [[nodiscard]] ring::Task<Result<void>> walk_directory(ObjectId directory,
                                                        const state::DirHandle& source,
                                                        const state::DirHandle& replica);
  void take_over(const ObjectId& directory, const tree::DirectoryResult& result);
  void put_off(const ObjectId& directory, const tree::DirectoryResult& result);
  void directory_failed(const ObjectId& directory, const Error& error);
  [[nodiscard]] ring::Task<void> source_is_ahead();

  void entry_reflects(const Location& entry, const ObjectId& object);
  void directory_reflects(const ObjectId& directory);
  [[nodiscard]] tree::Context context(tree::Observer& observer);

  LiveState& state_;
  tree::Staging& staging_;
  tree::HardlinkMap hardlinks_;
  tree::Limits limits_;
  tree::Policy policy_;
  timespec started_{};
  bool paused_ = false;

  std::deque<Location> entry_queue_;
  std::unordered_set<stream::Key> queued_entries_;
  std::deque<ObjectId> directory_queue_;  ///< taken from the back: depth first keeps it short
  std::size_t active_entries_ = 0, active_directories_ = 0;
  std::unordered_set<stream::Key> abandoned_;  ///< places whose replica directory is of none there
  std::unordered_set<ObjectId> must_walk_;     ///< could not be walked; their entries are marked
  bool root_failed_ = false;
  LostDirectories lost_;
  std::vector<ObjectId> unmet_;  ///< by the last walk of everything
  SequenceNumber unmet_through_;
  LostDirectories::Clock::time_point unmet_at_;

  /// What a reconcile read of the source.
  struct Reflection {
    stream::Look look;          ///< at the end
    ObjectId object;            ///< what the source had there
    SequenceNumber last_shown;  ///< no later operation may be in it, once none is under way
    [[nodiscard]] bool may_show(const stream::Recorded& recorded) const {
      return recorded.begun < look.number;
    }
  };
  [[nodiscard]] std::optional<Reflection> reflection(const ObjectId& object);
  [[nodiscard]] bool has_passed(Reflection& reflection) const;
  template <class Reflections>
  void prune(Reflections& reflections);
  std::unordered_map<stream::Key, Reflection> entry_reflects_;
  std::unordered_map<ObjectId, Reflection> directory_reflects_;

  BaselineProgress progress_;
};

}  // namespace mirrorfs::live
