#include "engine/live/dispatcher.h"

#include <stdio.h>
#include <sys/stat.h>

#include "engine/live/reconciler.h"
#include "engine/live/time_setter.h"
#include "engine/stream/claims.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

/// So many operations have claims and a job at once; the rest waits in the intake, where it costs
/// less.
constexpr std::size_t kWindow = 1024;
constexpr std::size_t kUnappliedRemembered = 4096;

/// Waits until all before it is done, and holds back all behind it.
bool stands_alone(const stream::Recorded& recorded) {
  return std::holds_alternative<Barrier>(recorded.operation) || recorded.overflow != nullptr;
}

bool is_unknown(const stream::Recorded& recorded) {
  return std::holds_alternative<Unknown>(recorded.operation);
}

stream::ClaimSet claims_of(const stream::Recorded& recorded) {
  if (is_unknown(recorded) && recorded.footprint) return stream::claims_of(*recorded.footprint);
  return stream::claims_of(recorded.operation);
}

}  // namespace

/// An operation on its way, started when its claims are granted.
class Dispatcher::Job final : public stream::Ticket {
 public:
  Job(Dispatcher& owner, stream::Recorded&& what) : recorded(std::move(what)), owner_(owner) {}
  stream::Recorded recorded;
  bool covered = false;               ///< when it started: closed then
  std::shared_ptr<Job> waiting_self;  ///< keeps it alive while it waits in the queues

 private:
  void granted() override {
    --owner_.state_.operations_waiting;
    owner_.state_.ring.spawn(owner_.run(std::move(waiting_self)));
  }
  Dispatcher& owner_;
};

Dispatcher::Dispatcher(LiveState& state, Reconciler& reconciler, TimeSetter& times)
    : state_(state),
      reconciler_(reconciler),
      times_(times),
      applier_(state.writer,
               {state.directories, state.files, state.links,
                [&reconciler](const Location& entry, const ObjectId& object, const Error& error) {
                  reconciler.refuse(entry, object, error);
                }},
               state.rights) {}

void Dispatcher::pull() { advance(); }

void Dispatcher::resume() {
  paused_ = false;
  advance();
}

void Dispatcher::release() {
  held_ = false;
  advance();
}

/// A barrier is done when nothing before it is in flight that no mark covers; then what waits
/// behind it may go.
void Dispatcher::advance() {
  while (!paused_ && !held_) {
    if (taken_.empty()) {
      if (in_flight_ >= kWindow) return;
      for (stream::Recorded& recorded : state_.intake.take(kWindow - in_flight_)) {
        state_.watermark.open(recorded.number, recorded.completed, recorded.count);
        state_.finished.open(recorded.number, recorded.completed, recorded.count);
        taken_.push_back(std::move(recorded));
      }
      if (taken_.empty()) return;
    }
    if (stands_alone(taken_.front())) {
      if (barriers_wait_for_ > 0) return;
      const stream::Recorded alone = std::move(taken_.front());
      taken_.pop_front();
      if (state_.on_begin) state_.on_begin(alone);
      if (alone.overflow) mark_overflow(alone);
      close(alone.number);
      finish(alone);
    } else {
      stream::Recorded next = std::move(taken_.front());
      taken_.pop_front();
      start(std::move(next));
    }
  }
}

void Dispatcher::start(stream::Recorded&& recorded) {
  ++in_flight_;
  if (state_.on_begin) state_.on_begin(recorded);
  auto job = std::make_shared<Job>(*this, std::move(recorded));
  job->covered = is_covered(state_, job->recorded.operation);
  if (job->covered) {
    cover(job->recorded.operation);
    close(job->recorded.number);
  } else {
    ++barriers_wait_for_;
  }
  job->waiting_self = job;
  ++state_.operations_waiting;
  state_.dependencies.enter(*job, claims_of(job->recorded));
  if (job->waiting_self) reconciler_.rate_limit().look();
}

/// Applied, but for an attribute that the replica does not take: who waits for this very change is
/// told.
void Dispatcher::remember_refused(const stream::Recorded& recorded) {
  if (state_.refusals.size() == 0 || !stream::sets_attributes(recorded.operation)) return;
  std::vector<Location> entries = stream::touched_entries(recorded.operation);
  std::erase_if(entries, [this](const Location& at) { return !state_.refusals.contains(at); });
  if (!entries.empty()) remember_unapplied(recorded.number, std::move(entries));
}

void Dispatcher::remember_unapplied(SequenceNumber number, std::vector<Location> entries) {
  unapplied_.emplace(number, std::move(entries));
  if (unapplied_.size() > kUnappliedRemembered) unapplied_.erase(unapplied_.begin());
}

void Dispatcher::remember_unapplied(const stream::Recorded& recorded, bool tried) {
  std::vector<Location> entries = stream::touched_entries(recorded.operation);
  const bool nameless = entries.empty();
  std::erase_if(entries, [this](const Location& entry) { return !state_.marks.is_marked(entry); });
  // What lies in directories that are still to be walked is nobody's failure.
  if (entries.empty() && !(nameless && tried)) return;
  remember_unapplied(recorded.number, std::move(entries));
}

bool Dispatcher::refused(SequenceNumber number) const {
  const auto found = unapplied_.find(number);
  if (found == unapplied_.end()) return false;
  const std::vector<Location>& entries = found->second;
  return entries.empty() || std::ranges::any_of(entries, [this](const Location& entry) {
           return state_.marks.is_failing(entry) || state_.refusals.contains(entry);
         });
}

bool Dispatcher::decided(SequenceNumber number) const {
  const auto found = unapplied_.find(number);
  if (found == unapplied_.end()) return true;
  return std::ranges::all_of(found->second, [this](const Location& entry) {
    const state::Mark* mark = state_.marks.find(entry);
    return mark == nullptr || !mark->cause.empty() || mark->origin == state::Origin::kWalk;
  });
}

/// Applied or not: the source has them no more.
void Dispatcher::follow_removed_directories(const Operation& operation) {
  if (const auto directory = stream::removed_directory(operation)) {
    reconciler_.directory_is_gone(*directory);
  }
}

void Dispatcher::follow_last_link(const Operation& operation) {
  const auto* unlink = std::get_if<Unlink>(&operation);
  if (unlink != nullptr && unlink->last_link) state_.owed.gone(unlink->object);
}

/// What the replica does not take of an object goes with its name.
void Dispatcher::follow_refusals(const stream::Recorded& recorded) {
  if (state_.refusals.size() == 0) return;
  if (const auto* unlink = std::get_if<Unlink>(&recorded.operation)) {
    if (unlink->last_link) return state_.refusals.gone(unlink->where);
    reconciler_.refusal_loses_name(unlink->where, recorded.number);
  } else if (const auto* removed = std::get_if<RemoveDirectory>(&recorded.operation)) {
    state_.refusals.gone(removed->where);
  } else if (const auto* rename = std::get_if<Rename>(&recorded.operation)) {
    if ((rename->flags & RENAME_EXCHANGE) != 0) {
      return state_.refusals.exchanged(rename->from, rename->to);
    }
    if (rename->replaced) reconciler_.refusal_loses_name(rename->to, recorded.number);
    state_.refusals.renamed(rename->from, rename->to);
  }
}

/// What the reconciler remembers of objects with several names follows what was applied.
void Dispatcher::follow_names(const Operation& operation) {
  reconciler_.note_displaced();
  if (const auto* unlink = std::get_if<Unlink>(&operation)) {
    reconciler_.forget_links(unlink->object);
  } else if (const auto* rename = std::get_if<Rename>(&operation)) {
    reconciler_.forget_links(rename->object);
    if (rename->replaced) reconciler_.forget_links(*rename->replaced);
  }
}

/// An object that loses a name may have no other that is known: what is pending for it is set
/// first.
ring::Task<Result<void>> Dispatcher::set_times_before_unlink(const Operation& operation) {
  std::optional<ObjectId> unlinked;
  if (const auto* unlink = std::get_if<Unlink>(&operation)) {
    if (!unlink->last_link) unlinked = unlink->object;
  } else if (const auto* rename = std::get_if<Rename>(&operation)) {
    if ((rename->flags & RENAME_EXCHANGE) == 0) unlinked = rename->replaced;
  }
  if (!unlinked || state_.directories.contains(*unlinked)) co_return Result<void>{};
  co_return co_await times_.set_claimed(*unlinked);
}

ring::Task<Result<void>> Dispatcher::apply(const stream::Recorded& recorded) {
  auto ready = co_await set_times_before_unlink(recorded.operation);
  if (!ready) co_return ready;
  auto applied = co_await applier_.apply(recorded.operation);
  if (!applied) co_return applied;
  follow_names(recorded.operation);
  follow_refusals(recorded);
  remember_refused(recorded);
  const auto newer = [&](const ObjectId& object) {
    return state_.readings.read_after(object, recorded);
  };
  state_.times.note(recorded.operation, recorded.number, state::PendingTimes::Clock::now(), newer);
  forget_doubtful_names(recorded.operation);
  co_return applied;
}

/// Its names may have been marked while it was applied: what was noted of them since is no more
/// certain than what was known of them then.
void Dispatcher::forget_doubtful_names(const Operation& operation) {
  for (const Location& entry : stream::touched_entries(operation)) {
    const bool certain =
        state_.directories.is_known(entry.parent) && !state_.marks.is_marked(entry);
    if (!certain) reconciler_.release_name(entry);
  }
}

ring::Task<void> Dispatcher::carry_out(const stream::Recorded& recorded) {
  if (is_unknown(recorded)) {
    mark_unknown(recorded);
    co_return;
  }
  Verdict verdict = judge(state_, recorded);
  // It waited while an overflow overtook it: what was left out there may be newer, and a reading
  // has it already. Applied again, this one would stand last.
  if (verdict == Verdict::kApply && recorded.number < overflowed_) verdict = Verdict::kMark;
  if (verdict == Verdict::kApply) {
    const auto applied = co_await apply(recorded);
    follow_readings(recorded, verdict);
    if (applied) {
      ++state_.totals.operations;
      co_return;
    }
    mark_touched(recorded, &applied.error());
  }
  if (verdict == Verdict::kExcluded) note_parent_times(recorded);
  if (verdict == Verdict::kMark) mark_touched(recorded, nullptr);
  if (verdict != Verdict::kApply) follow_readings(recorded, verdict);
  mark_other_names(recorded);
  remember_unapplied(recorded, verdict == Verdict::kApply);
}

ring::Task<void> Dispatcher::run(std::shared_ptr<Job> job) {
  const stream::Recorded& recorded = job->recorded;
  co_await carry_out(recorded);
  follow_excluded(recorded);
  follow_removed_directories(recorded.operation);
  follow_last_link(recorded.operation);
  state_.dependencies.leave(*job);
  --in_flight_;
  if (job->covered) {
    uncover(recorded.operation);
  } else {
    --barriers_wait_for_;
    close(recorded.number);
  }
  finish(recorded);
  advance();
}

void Dispatcher::cover(const Operation& operation) {
  for (const Location& entry : stream::touched_entries(operation)) ++covered_entries_[entry];
  if (stream::changed_linked_object(operation)) ++covered_links_;
}

void Dispatcher::uncover(const Operation& operation) {
  if (stream::changed_linked_object(operation)) --covered_links_;
  for (const Location& entry : stream::touched_entries(operation)) {
    const auto found = covered_entries_.find(entry);
    if (--found->second == 0) covered_entries_.erase(found);
  }
  state_.progressed();
}

void Dispatcher::close(SequenceNumber number) {
  if (state_.watermark.close(number)) state_.progressed();
}

void Dispatcher::finish(const stream::Recorded& recorded) {
  state_.intake.give_back(recorded.bytes);
  if (state_.finished.close(recorded.number)) state_.progressed();
}

}  // namespace mirrorfs::live
