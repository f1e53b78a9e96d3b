// Makes marked entries and unwalked directories equal to the source while operations go on: the
// baseline, recovery, catching up and repair are all this.
#pragma once

#include <deque>
#include <optional>
#include <unordered_set>
#include <vector>

#include "engine/compare/reconcile.h"
#include "engine/copy/rate_limit.h"
#include "engine/copy/staging.h"
#include "engine/journal/mark_file.h"
#include "engine/live/live_state.h"
#include "engine/live/lost_directories.h"
#include "engine/live/retry.h"
#include "mirrorfs/status.h"

namespace mirrorfs::live {

/// A reconcile and the operations stay apart without a lock on the source: the reconcile holds
/// claims as if it were an operation, so that what comes later on the same objects waits, and
/// stream::Readings says what becomes of operations that it may have read already.
/// Ring thread only.
class Reconciler {
 public:
  /// `is_awaited`: an application waits for a reconcile.
  Reconciler(LiveState& state, copy::Staging& staging, std::function<bool()> is_awaited);

  /// Walks the whole tree. `policy` decides what counts as equal.
  void start_baseline(compare::Policy policy);

  /// The same for whatever is walked later, and nothing is walked now.
  void use(const compare::Policy& policy) {
    policy_ = policy;
    policy_.same_object = true;
  }
  /// Owner, mode, times and extended attributes of the root alone. While nothing is applied.
  [[nodiscard]] ring::Task<Result<void>> reconcile_root();

  /// Marks the entry and reconciles it soon.
  void request(const Location& entry, SequenceNumber since) {
    request(entry, since, state::Origin::kOperation);
  }
  /// The same for what the last session has marked: the journal has it.
  void request_again(const Location& entry) {
    mark(entry, state::kSinceEver, state::Origin::kOperation);
  }
  /// A call on the replica failed that concerned this entry, which is marked.
  void suspect(const Location& entry, const Error& error) {
    state_.late.failed(entry, error, LateRequests::Clock::now());
  }
  /// Nothing is known any more of the entries of a directory that the table has.
  void request_listing(const ObjectId& directory);
  /// Nothing is known any more: walk everything, comparing content that changed since the start.
  void request_everything();
  /// The same, and what the replica got since then is compared as its disk has it.
  void reread_everything(const timespec& since);
  /// From now on what the replica got since then is compared as its disk has it.
  void distrust_cache_since(const timespec& since);
  /// Where a walk takes such a mark over, size and times do not tell that the content is equal: a
  /// power cut may have taken the times back. In place of those told before.
  void distrust_content_of(std::vector<journal::JournalMark> marks);
  /// The source has the directory no more.
  void directory_is_gone(const ObjectId& directory);
  /// It is at an excluded place now.
  void tree_is_gone(const ObjectId& directory);
  /// The entry of a directory in its parent; of the root, an empty name in itself.
  [[nodiscard]] Location own_entry(const ObjectId& directory) const;
  /// The replica does not take an attribute of this object. The journal keeps it until it does.
  void refuse(const Location& entry, const ObjectId& object, const Error& error);
  /// The name that it was noted under is another object's, or gone.
  void refusal_loses_name(const Location& entry, SequenceNumber recorded);
  /// An operation has moved directories on the replica.
  void note_displaced();
  /// What was known to have this name is known no more.
  void release_name(const Location& entry);
  void forget_links(const ObjectId& object) { hardlinks_.forget(object); }

  /// When nothing is marked any more, what is still owed has names that only a walk finds. Ends
  /// after stop() and progress.
  [[nodiscard]] ring::Task<void> search_owed();
  /// Tries failed entries again when their time has come, and searches for lost directories; ends
  /// when the ring stops.
  [[nodiscard]] ring::Task<void> retry_loop();
  /// Tries every failed entry again, now.
  void retry_all();

  /// Nothing is queued, under way, searched for or to be looked at a second time (failed entries
  /// may wait for their next try).
  [[nodiscard]] bool idle() const {
    return !entries_are_queued() && directory_queue_.empty() && at_rest() && lost_.none() &&
           !searching_ && !must_search_owed() && !state_.late.any_waiting();
  }
  /// Nothing is being reconciled.
  [[nodiscard]] bool at_rest() const {
    return entries_under_way() == 0 && active_directories_ == 0 && !clearing_;
  }
  void pause() {
    paused_ = true;
    limit_.look();
  }
  /// Of what reconciles read. Not kept while an operation waits for what one of them holds, an
  /// application for what one is to bring about, or a pause for their end.
  [[nodiscard]] copy::RateLimit& rate_limit() { return limit_; }
  /// The ring stops: nothing is retried any more.
  void stop() {
    stopped_ = true;
    retries_needed_.set_for_good();
  }
  void resume();

  [[nodiscard]] BaselineProgress progress() const { return progress_; }
  /// What the replica lacks, or has too much, is told by no mark: the root could not be walked, or
  /// the staging folder not be emptied, when that was last tried.
  [[nodiscard]] bool is_failing() const {
    return root_retry_.is_failing() || leftovers_retry_.is_failing();
  }

 private:
  class PassObserver;
  enum class Attempt : std::uint8_t { kDone, kAgain };

  void request(const Location& entry, SequenceNumber since, state::Origin origin);
  void mark(const Location& entry, SequenceNumber since, state::Origin origin);
  void queue_directory(const ObjectId& directory);
  void release_names_in(const ObjectId& directory);
  void retry_root();
  void retry_leftovers();
  [[nodiscard]] ring::Task<void> clear_leftovers();
  void pump();
  void after_work();
  [[nodiscard]] bool walks_under_way() const {
    return !directory_queue_.empty() || active_directories_ > 0;
  }
  [[nodiscard]] ring::Task<void> source_is_ahead();
  [[nodiscard]] compare::Context context(compare::Observer& observer) {
    return context(observer, limits_);
  }
  [[nodiscard]] compare::Context context(compare::Observer& observer, copy::Limits& limits);
  void need_retries() { retries_needed_.set(); }

  // What the source shows no more in its place (search.cpp).
  void miss(const ObjectId& directory);
  void found(const ObjectId& directory);
  [[nodiscard]] Attempt not_in_its_place(const ObjectId& directory);
  [[nodiscard]] ring::Task<Result<state::DirHandle>> open_reachable_source(ObjectId directory);
  void no_directory_at(const Location& place);
  void look_for_lost();
  [[nodiscard]] bool must_search_owed() const {
    return state_.owed.size() > 0 && state_.marks.size() == 0 && !walking_everything_ &&
           state_.directories.unsettled() == 0;
  }
  void walk_everything();
  void walked_everything();
  void forget_unmet();

  // Entries (reconcile_entries.cpp).
  /// Entries on their way, some at a time. What an application does now has places of its own, and
  /// is not limited: it would wait behind a baseline for as long as that takes.
  struct Lane {
    std::deque<Location> queue = {};
    std::size_t active = 0;
    std::size_t most = 0;
  };
  [[nodiscard]] bool is_prompt(const Location& entry) const;
  [[nodiscard]] Lane& lane_of(const Location& entry) {
    return is_prompt(entry) ? prompt_entries_ : entries_;
  }
  [[nodiscard]] bool entries_are_queued() const {
    return !entries_.queue.empty() || !prompt_entries_.queue.empty();
  }
  [[nodiscard]] std::size_t entries_under_way() const {
    return entries_.active + prompt_entries_.active;
  }
  [[nodiscard]] ring::Task<void> entry_task(Location entry, Lane& lane);
  [[nodiscard]] ring::Task<Attempt> try_entry(const Location& entry);
  [[nodiscard]] ring::Task<Attempt> entry_held(const Location& entry, const Metadata* expected,
                                               const state::DirHandle& source);
  [[nodiscard]] ring::Task<Attempt> look_again(const Location& entry, const Metadata* expected,
                                               const state::DirHandle& source);
  [[nodiscard]] ring::Task<Result<std::optional<Metadata>>> reconcile_held(
      const Location& entry, const std::optional<Metadata>& now, const state::DirHandle& source);
  [[nodiscard]] ring::Task<Result<void>> directory_entry(const Location& entry,
                                                         const compare::EntryResult& result);
  void times_are_read(const ObjectId& object, const std::optional<Location>& where,
                      const Metadata& read, SequenceNumber recorded);
  void note_names(const Metadata& source);
  void parent_is_damaged(const Location& entry);
  /// `failed_before`: in a row, by what this mark does not know of.
  void entry_failed(const Location& entry, state::MarkReading reading, const Error& error,
                    unsigned failed_before = 0);
  [[nodiscard]] ring::Task<void> note_parent_times(const Location& entry,
                                                   const state::DirHandle& source,
                                                   SequenceNumber before);

  // Attributes that the replica does not take (refused_attributes.cpp).
  [[nodiscard]] bool stays_split(const ObjectId& object) const;
  void follow_refusals(const Location& entry, const ObjectId& object, const Error* refusal);
  void follow_refusals_in(const ObjectId& directory, const PassObserver& observer,
                          const compare::DirectoryResult& result);
  void retry_refusals(const std::vector<state::Refusals::Refused>& some);
  [[nodiscard]] ring::Task<void> retry_refusal(state::Refusals::Refused refused);
  [[nodiscard]] ring::Task<void> set_refused(const state::Refusals::Refused& refused);

  // Objects with several names (reconcile_links.cpp).
  /// An object that the replica has, under each of its names.
  [[nodiscard]] bool has_copy(const Metadata& source) const {
    return !source.is_directory() && !state_.rights.fidelity.leaves_out_type(source.mode);
  }
  [[nodiscard]] ring::Task<bool> lacks_names(const Location& entry, const Metadata* source);
  [[nodiscard]] ring::Task<Result<std::optional<ObjectId>>> look_at_link(const Location& name,
                                                                         const Metadata& source);
  [[nodiscard]] ring::Task<Result<ObjectId>> offer_links(const Location& entry,
                                                         const Metadata& source);
  [[nodiscard]] ring::Task<Result<ObjectId>> prepare_links(const Location& entry,
                                                           const Metadata& source,
                                                           int replica_directory);
  [[nodiscard]] ring::Task<Result<std::optional<Metadata>>> compare_linked(
      const Location& entry, const Metadata& source, const compare::DirectoryPair& pair,
      ObjectId offered);
  void note_copy(const ObjectId& object, const Location& name);
  [[nodiscard]] ring::Task<Result<bool>> is_parted(const Location& entry, int replica_directory,
                                                   ObjectId offered);
  [[nodiscard]] ring::Task<Result<void>> detach_shared(const Location& entry,
                                                       const ObjectId& source, bool from_walk,
                                                       int replica_directory);

  // What is excluded (reconcile_excluded.cpp).
  /// ESTALE: the directory has no path now.
  [[nodiscard]] Result<compare::DirectoryPair> pair_of(const ObjectId& directory,
                                                       const state::DirHandle& source,
                                                       const state::DirHandle& replica) const;
  [[nodiscard]] ring::Task<Result<bool>> is_left_alone(const Location& entry,
                                                       const Metadata* source,
                                                       const compare::DirectoryPair& pair);
  void leave_alone(const Location& entry, const Metadata* source);

  // Replica directories that mirror another source directory (make_room.cpp).
  [[nodiscard]] bool must_make_room(const Metadata* source, const Metadata* replica) const;
  [[nodiscard]] std::vector<ObjectId> doomed_by(const Location& entry,
                                                const Metadata* source) const;
  void give_up_replica(const ObjectId& directory);
  void forget(const ObjectId& directory);
  [[nodiscard]] ring::Task<Result<bool>> is_own_name(const Location& entry, int replica_directory);
  [[nodiscard]] ring::Task<Result<void>> make_room(const Location& entry, const Metadata* source,
                                                   const compare::DirectoryPair& pair);

  // Directories (reconcile_directories.cpp).
  [[nodiscard]] ring::Task<void> directory_task(ObjectId directory);
  [[nodiscard]] ring::Task<Attempt> try_directory(ObjectId directory);
  [[nodiscard]] ring::Task<Attempt> directory_held(ObjectId directory);
  [[nodiscard]] ring::Task<Result<void>> walk_directory(ObjectId directory,
                                                        const state::DirHandle& source,
                                                        const state::DirHandle& replica);
  [[nodiscard]] bool meet(const ObjectId& directory, const Location& where,
                          const std::optional<Metadata>& replica);
  void take_over(const ObjectId& directory, const compare::DirectoryResult& result);
  void walk_failed(const ObjectId& directory, const Error& error);
  void root_walk_failed(const Error& error);

  LiveState& state_;
  copy::Staging& staging_;
  copy::HardlinkMap hardlinks_;
  copy::RateLimit limit_;
  copy::Limits limits_, prompt_limits_;
  compare::Policy policy_;
  timespec started_{};
  std::unordered_set<Location> distrusted_;  ///< see distrust_content_of()
  bool paused_ = false;
  bool stopped_ = false;

  Lane entries_, prompt_entries_;
  std::deque<ObjectId> directory_queue_;  ///< taken from the back: depth first keeps it short
  std::size_t active_directories_ = 0;
  bool root_failed_ = false;  ///< its walk is to be tried again
  Retry root_retry_, leftovers_retry_;
  bool clearing_ = false;  ///< the staging folder

  bool walking_everything_ = false;
  SequenceNumber searched_owed_;  ///< recorded when the last walk for what is owed was asked for
  LostDirectories lost_;
  bool searching_ = false;  ///< the walk of everything is over; what it did not meet may be gone
  SequenceNumber searched_through_;
  LostDirectories::Clock::time_point searched_at_;
  ring::Event retries_needed_;

  BaselineProgress progress_;
};

}  // namespace mirrorfs::live
