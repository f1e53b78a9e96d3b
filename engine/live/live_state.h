// What the parts of the running engine share. Everything here belongs to the ring thread, but for
// the intake.
#pragma once

#include <time.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/compare/reconcile.h"
#include "engine/journal/mark_journal.h"
#include "engine/journal/session_record.h"
#include "engine/live/late_requests.h"
#include "engine/ring/ring.h"
#include "engine/ring/sync.h"
#include "engine/state/directory_table.h"
#include "engine/state/file_cache.h"
#include "engine/state/link_names.h"
#include "engine/state/marks.h"
#include "engine/state/owed_objects.h"
#include "engine/state/pending_times.h"
#include "engine/state/refusals.h"
#include "engine/stream/apply.h"
#include "engine/stream/dependencies.h"
#include "engine/stream/intake.h"
#include "engine/stream/readings.h"
#include "engine/stream/watermark.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

struct Totals {
  std::uint64_t operations = 0;
  std::uint64_t bytes_reconciled = 0;
  std::uint64_t objects_looked_at = 0;  ///< of the source, by reconciles
  std::uint64_t errors = 0;
  std::string last_error;
  std::int64_t last_error_time = 0;  ///< seconds since 1970
};

class Hold;

struct LiveState {
  LiveState(ring::Ring& engine_ring, stream::Intake& operations,
            std::shared_ptr<journal::MarkJournal> marks_on_disk, ObjectId root, int source_root,
            int replica_root, std::size_t most_open, objects::Rights process_rights,
            replica::Keeper* keeper, journal::SessionRecord& its_session,
            const compare::Boundaries& its_boundaries, exclude::Exclusion& its_exclusion,
            std::chrono::milliseconds late_requests)
      : ring(engine_ring),
        writer(engine_ring, keeper, [&its_session] { its_session.note_life(); }),
        session(its_session),
        boundaries(its_boundaries),
        exclusion(its_exclusion),
        intake(operations),
        journal(std::move(marks_on_disk)),
        rights(process_rights),
        directories(engine_ring, root, source_root, replica_root, most_open, &its_exclusion),
        files(most_open / 2),
        readings(operations),
        late(late_requests) {}

  ring::Ring& ring;
  replica::Writer writer;
  journal::SessionRecord& session;
  const compare::Boundaries& boundaries;
  exclude::Exclusion& exclusion;
  stream::Intake& intake;
  const std::shared_ptr<journal::MarkJournal> journal;  ///< null: none is kept
  const objects::Rights rights;
  state::DirectoryTable directories;
  state::FileCache files;
  state::LinkNames links;
  state::OwedObjects owed;
  state::PendingTimes times;
  state::Marks marks;
  state::Refusals refusals;
  stream::Dependencies dependencies;
  stream::Readings readings;
  LateRequests late;
  stream::Watermark watermark;  ///< closed: applied, or covered by a mark
  stream::Watermark finished;   ///< nothing is done for it any more, either
  Totals totals;
  std::uint64_t reconciled = 0;  ///< entries and directories that got equal, ever
  /// Of those, directories, and entries that may have differed since ever: what a wait that began
  /// before takes for durable may have been written anew.
  std::uint64_t repaired = 0;
  std::uint64_t released = 0;    ///< marks that were kept in the journal, ever
  std::size_t leftovers = 0;     ///< of the staging folder, which the replica would not remove
  bool recovering = false;       ///< what the journal tells is not in `marks` yet
  bool comparing_marks = false;  ///< of a session that was killed, and nothing else
  bool catching_up = false;      ///< operations were dropped; until no mark is left

  /// Nothing is marked or owed, every directory that is known is right, and nothing is left in
  /// staging.
  [[nodiscard]] bool nothing_marked() const { return marks.size() == 0 && all_is_told(); }
  /// And the replica took all attributes.
  [[nodiscard]] bool clean() const { return nothing_marked() && refusals.size() == 0; }
  /// The same of what completed up to `number`.
  [[nodiscard]] bool clean_through(SequenceNumber number) const {
    return marks.clean_through(number) && all_is_told() && refusals.size() == 0;
  }
  /// What may differ is in `marks`, and nowhere else.
  [[nodiscard]] bool all_is_told() const {
    return directories.unsettled() == 0 && owed.size() == 0 && leftovers == 0 && !recovering;
  }

  /// Up to where all that completed is on the replica, its times too once they are flushed.
  /// Nothing: a mark or a walk covers nobody knows what.
  [[nodiscard]] std::optional<SequenceNumber> complete_through() const {
    if (!all_is_told()) return std::nullopt;
    const SequenceNumber applied = finished.closed_through();
    const auto first = marks.first_not_kept();
    if (!first || *first > applied) return applied;
    if (first->value == 0) return std::nullopt;
    return SequenceNumber{first->value - 1};
  }

  /// The same with the times that are set.
  [[nodiscard]] std::optional<SequenceNumber> complete_with_times() const {
    const auto complete = complete_through();
    const auto first = times.first_number();
    if (!complete || !first || *first > *complete) return complete;
    if (first->value == 0) return std::nullopt;
    return SequenceNumber{first->value - 1};
  }

  /// Wakes those that wait for progress: operations applied, marks cleared.
  void progressed() {
    session.note_life();
    // Of what was dropped nothing may have had a name that had to be marked.
    if (catching_up && nothing_marked()) {
      catching_up = false;
      log_info("caught up: order is kept again");
    }
    note_debt();
    if (on_activity) on_activity();
    progress.set();
    progress.reset();
    unsynced.set();
    if (times.size() > 0) times_noted.set();
    if (files.size() > 0) files_opened.set();
  }
  ring::Event progress;
  ring::Event times_noted;
  ring::Event files_opened;
  ring::Event unsynced;  ///< something may have been written since it was reset

  /// A mark of the journal's that stays as long as what is returned: for what the replica does not
  /// take for now, so that all other marks can be cleared. Null without a journal.
  [[nodiscard]] std::shared_ptr<void> keep_in_journal(const Location& entry,
                                                      const ObjectId& object) {
    if (journal == nullptr) return nullptr;
    using journal::MarkJournal;
    const auto release = [this, kept = journal](MarkJournal::Held* held) {
      held->end(intake.last_recorded());
      ++released;
      std::default_delete<MarkJournal::Held>()(held);
    };
    return {new MarkJournal::Held(journal->keep(entry, object)), release};
  }

  /// Before the replica is changed for what is marked: a power cut in the midst of it may leave
  /// what was neither there before nor is to be.
  [[nodiscard]] ring::Task<void> marks_are_durable() {
    if (journal == nullptr || !journal->lags()) co_return;
    const std::shared_ptr<journal::MarkJournal> kept = journal;
    journal::MarkJournal* const marks_on_disk = kept.get();
    co_await ring.offload([marks_on_disk] { marks_on_disk->wait_until_durable(); });
  }

  void count_error(const std::string& line) {
    ++totals.errors;
    totals.last_error = line;
    totals.last_error_time = ::time(nullptr);
    note_debt();
    if (on_activity) on_activity();
  }

  /// Keeps up since when the replica may lack something that no mark with a time of its own tells.
  void note_debt() {
    const bool debt = !all_is_told() || refusals.size() > 0;
    if (!debt) {
      in_debt_since.reset();
    } else if (!in_debt_since) {
      in_debt_since = state::Clock::now();
    }
  }
  std::optional<state::Clock::time_point> in_debt_since;
  /// Since when the replica may lack something, by marks of any kind; `now`: it lacks nothing.
  [[nodiscard]] state::Clock::time_point marked_since(state::Clock::time_point now) const {
    return std::min(marks.oldest(now), in_debt_since.value_or(now));
  }

  std::function<void()> on_activity;  ///< may be empty; the status may have changed

  // For those who wait for some paths only; may be empty.
  std::function<void(const stream::Recorded&)> on_begin;  ///< an operation is taken
  std::function<void(const ObjectId&)> on_reconciled;     ///< a directory, or an entry in it
  void reconciled_in(const ObjectId& directory) {
    ++reconciled;
    if (on_reconciled) on_reconciled(directory);
  }

  /// An operation waits for what a reconcile holds. Exact but for reconciles that wait for one
  /// another at the same time.
  [[nodiscard]] bool stream_waits_for_a_hold() const;
  std::size_t operations_waiting = 0;  ///< for their claims
  std::set<const Hold*> holds;         ///< granted
};

/// Claims held by something that is not an operation.
class Hold final : public stream::Ticket {
 public:
  explicit Hold(LiveState& state) : state_(state) {}
  ~Hold() override { release(); }

  /// Takes its place behind everything that entered before; `co_await` returns when all is granted.
  auto acquire(const stream::ClaimSet& claims) {
    held_ = true;
    granted_.reset();
    state_.dependencies.enter(*this, claims);
    return granted_.wait();
  }
  void release() {
    if (!held_) return;
    held_ = false;
    in_use_.reset();
    state_.holds.erase(this);
    state_.dependencies.leave(*this);
  }

 private:
  void granted() override {
    in_use_.emplace(state_.directories.owners());
    state_.holds.insert(this);
    granted_.set();
  }
  LiveState& state_;
  ring::Event granted_;
  std::optional<state::ReplicaOwners::Use> in_use_;
  bool held_ = false;
};

inline bool LiveState::stream_waits_for_a_hold() const {
  return operations_waiting > 0 && std::ranges::any_of(holds, [this](const Hold* hold) {
           return dependencies.has_waiters(*hold);
         });
}

}  // namespace mirrorfs::live
