#include "engine/live/dispatcher.h"

#include <stdio.h>

#include "engine/live/reconciler.h"
#include "engine/stream/claims.h"
#include "engine/stream/operation_facts.h"
#include "engine/tree/attributes.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

constexpr std::size_t kUnappliedRemembered = 4096;
/// Operations taken from the intake and not done: each costs a job and its claims.
constexpr std::size_t kWindow = 1024;

/// Waits until all before it is done, and holds back all behind it.
bool stands_alone(const stream::Recorded& recorded) {
  return std::holds_alternative<Barrier>(recorded.operation) || recorded.overflow != nullptr;
}

bool is_unknown(const stream::Recorded& recorded) {
  return std::holds_alternative<Unknown>(recorded.operation);
}

SequenceNumber first_of(const stream::Recorded& recorded) {
  return {recorded.number.value - recorded.count + 1};
}

}  // namespace

/// An operation on its way, started when its claims are granted.
class Dispatcher::Job final : public stream::Ticket {
 public:
  Job(Dispatcher& owner, stream::Recorded&& what) : recorded(std::move(what)), owner_(owner) {}
  stream::Recorded recorded;
  std::shared_ptr<Job> waiting_self;  ///< keeps it alive while it waits in the queues

 private:
  void granted() override { owner_.state_.ring.spawn(owner_.run(std::move(waiting_self))); }
  Dispatcher& owner_;
};

void Dispatcher::pull() {
  if (paused_) return;
  admit_held_back();
  while (in_flight() < kWindow) {
    auto taken = state_.intake.take(kWindow - in_flight());
    window_was_full_ = !taken.empty();
    if (taken.empty()) return;
    for (stream::Recorded& recorded : taken) {
      state_.watermark.open(recorded.number, recorded.completed, recorded.count);
      admit(std::move(recorded));
    }
    admit_held_back();
  }
}

void Dispatcher::resume() {
  paused_ = false;
  pull();
}

void Dispatcher::admit(stream::Recorded&& recorded) {
  if (!held_back_.empty() || stands_alone(recorded)) {
    held_back_.push_back(std::move(recorded));
  } else {
    start(std::move(recorded));
  }
}

/// A barrier is done when nothing before it is in flight; then what waits behind it may go.
void Dispatcher::admit_held_back() {
  while (!held_back_.empty() && !paused_) {
    if (stands_alone(held_back_.front())) {
      if (in_flight_ > 0) return;
      const stream::Recorded alone = std::move(held_back_.front());
      held_back_.pop_front();
      if (alone.overflow) mark_overflow(alone);
      finish(alone);
    } else {
      stream::Recorded next = std::move(held_back_.front());
      held_back_.pop_front();
      start(std::move(next));
    }
  }
}

void Dispatcher::start(stream::Recorded&& recorded) {
  if (is_unknown(recorded)) {
    mark_unknown(recorded);
    return finish(recorded);
  }
  ++in_flight_;
  auto job = std::make_shared<Job>(*this, std::move(recorded));
  job->waiting_self = job;
  state_.dependencies.enter(*job, stream::claims_of(job->recorded.operation));
}

/// Its entries are as the operations applied so far left them. Not so what was below a replica
/// directory that went: a walk will meet it.
bool Dispatcher::is_known(const ObjectId& directory) const {
  return state_.marks.is_known(directory) && state_.directories.contains(directory);
}

Dispatcher::Verdict Dispatcher::judge(const stream::Recorded& recorded) const {
  if (std::holds_alternative<LearnDirectory>(recorded.operation)) return Verdict::kApply;
  const bool replayable = stream::is_replayable(recorded.operation);
  bool any_known = false;
  bool all_clean = !reconciler_.holds_another_object(recorded);
  for (const Location& entry : stream::touched_entries(recorded.operation)) {
    const bool known = is_known(entry.parent);
    any_known = any_known || known;
    if (!known || state_.marks.is_marked(entry)) all_clean = false;
    if (!replayable && reconciler_.may_hold_already(entry, recorded)) all_clean = false;
  }
  // A link is made from another name, which has to be the right object on the replica.
  if (const auto* link = std::get_if<Link>(&recorded.operation);
      link != nullptr && link->existing) {
    all_clean = all_clean && is_known(link->existing->parent) &&
                !state_.marks.is_marked(*link->existing) &&
                !reconciler_.may_hold_already(*link->existing, recorded);
  }
  if (replayable) {
    return all_clean ? Verdict::kApply : Verdict::kSkip;
  }
  if (all_clean) return Verdict::kApply;
  return any_known ? Verdict::kMark : Verdict::kSkip;
}

void Dispatcher::mark_touched(const stream::Recorded& recorded, const Error* error) {
  auto entries = stream::touched_entries(recorded.operation);
  // Both names of a link: which of them the replica has right is not known any more.
  if (const auto* link = std::get_if<Link>(&recorded.operation);
      link != nullptr && link->existing) {
    entries.push_back(*link->existing);
  }
  if (error != nullptr) {
    const std::string path =
        entries.empty() ? "an object without a name" : state_.directories.path_of(entries.front());
    const std::string line =
        fmt::format("{} of {}: {}", stream::kind_name(recorded.operation), path, error->message());
    log_debug("not applied, will be reconciled: {}", line);
  }
  for (const Location& entry : entries) {
    if (state_.marks.is_known(entry.parent)) reconciler_.request(entry, recorded.number);
  }
  if (entries.empty() && error != nullptr) reconciler_.request_everything(recorded.number);
}

void Dispatcher::mark_linked(const ObjectId& object, SequenceNumber since) {
  for (const Location& name : state_.links.all(object)) {
    if (state_.marks.is_known(name.parent)) reconciler_.request(name, since);
  }
}

/// A change that nobody can describe: all that it may have touched.
void Dispatcher::mark_unknown(const stream::Recorded& recorded) {
  if (recorded.covers_everything()) return reconciler_.request_everything(recorded.number);
  for (const Location& entry : recorded.footprint->entries()) {
    if (state_.marks.is_known(entry.parent)) reconciler_.request(entry, recorded.number);
  }
  for (const ObjectId& object : recorded.footprint->objects()) {
    mark_linked(object, recorded.number);
  }
}

void Dispatcher::mark_overflow(const stream::Recorded& recorded) {
  state_.catching_up = true;
  const SequenceNumber since = first_of(recorded);
  if (recorded.covers_everything()) return reconciler_.request_everything(since);
  for (const auto& [directory, entries] : recorded.overflow->directories()) {
    if (!state_.marks.is_known(directory)) continue;
    if (entries.whole) reconciler_.request_directory(directory, since);
    for (const std::string& name : entries.names) reconciler_.request({directory, name}, since);
  }
  for (const ObjectId& object : recorded.overflow->linked_objects()) mark_linked(object, since);
}

void Dispatcher::remember_unapplied(const stream::Recorded& recorded, bool tried) {
  std::vector<Location> entries = stream::touched_entries(recorded.operation);
  const bool nameless = entries.empty();
  std::erase_if(entries, [this](const Location& entry) { return !state_.marks.is_marked(entry); });
  // What lies in directories that are still to be walked is nobody's failure.
  if (entries.empty() && !(nameless && tried)) return;
  unapplied_.emplace(recorded.number, std::move(entries));
  if (unapplied_.size() > kUnappliedRemembered) unapplied_.erase(unapplied_.begin());
}

bool Dispatcher::refused(SequenceNumber number) const {
  const auto found = unapplied_.find(number);
  if (found == unapplied_.end()) return false;
  const std::vector<Location>& entries = found->second;
  return entries.empty() || std::ranges::any_of(entries, [this](const Location& entry) {
           return state_.marks.is_failing(entry);
         });
}

/// The mark on the name that the operation went through may be resolved by another object that
/// takes that name; the one that was changed lives on under its other names.
void Dispatcher::mark_other_names(const stream::Recorded& recorded) {
  // A name made in a directory that is still to be walked: the walk has to know where to link it
  // to.
  if (const auto* link = std::get_if<Link>(&recorded.operation); link && link->existing) {
    if (state_.marks.is_known(link->existing->parent)) {
      reconciler_.request(*link->existing, recorded.number);
    }
  }
  const auto object = stream::changed_linked_object(recorded.operation);
  if (!object) return;
  for (const Location& name : state_.links.all(*object)) {
    if (state_.marks.is_known(name.parent)) reconciler_.request(name, recorded.number);
  }
}

/// Applied or not: the source has them no more.
void Dispatcher::forget_removed_directories(const Operation& operation) {
  if (const auto* removed = std::get_if<RemoveDirectory>(&operation)) {
    reconciler_.directory_is_gone(removed->object);
  } else if (const auto* rename = std::get_if<Rename>(&operation)) {
    const bool gone = rename->replaced && (rename->flags & RENAME_EXCHANGE) == 0;
    if (gone && S_ISDIR(rename->replaced_type)) reconciler_.directory_is_gone(*rename->replaced);
  }
}

ring::Task<Result<void>> Dispatcher::apply_and_settle(const stream::Recorded& recorded) {
  auto ready = co_await settle_before_names_change(recorded.operation);
  if (!ready) co_return ready;
  auto applied = co_await applier_.apply(recorded.operation);
  if (!applied) co_return applied;
  reconciler_.applied(recorded.operation);
  state_.settling.note(recorded.operation, recorded.number);
  auto settled = co_await settle_objects(recorded.operation);
  co_return settled;
}

ring::Task<void> Dispatcher::run(std::shared_ptr<Job> job) {
  const stream::Recorded& recorded = job->recorded;
  bool done = false;
  const Verdict verdict = judge(recorded);
  const bool tried = verdict == Verdict::kApply;
  switch (verdict) {
    case Verdict::kApply: {
      const auto applied = co_await apply_and_settle(recorded);
      done = applied.has_value();
      if (done) {
        ++state_.totals.operations;
      } else {
        mark_touched(recorded, &applied.error());
        mark_other_names(recorded);
      }
      break;
    }
    case Verdict::kMark:
      mark_touched(recorded, nullptr);
      mark_other_names(recorded);
      break;
    case Verdict::kSkip: mark_other_names(recorded); break;
  }
  if (!done) {
    remember_unapplied(recorded, tried);
    co_await settle_unapplied(recorded.operation);
  }
  forget_removed_directories(recorded.operation);
  const std::vector<ObjectId> directories = stream::directories_held_by(recorded.operation);
  co_await reconciler_.settle_directories(directories);
  state_.dependencies.leave(*job);
  --in_flight_;
  finish(recorded);
  admit_held_back();
  if (window_was_full_ && in_flight() <= kWindow / 2) pull();
}

/// Sets the times that are pending for an object that can be reached by this name, or another.
ring::Task<Result<void>> Dispatcher::settle(const stream::ObjectAfter& object) {
  const auto times = state_.settling.take(object.object);
  auto opened = co_await applier_.open_object(object.object, object.where, 0);
  if (!opened) co_return pass_on(std::move(opened));
  if (*opened == nullptr) co_return Result<void>{};
  co_return tree::set_times((*opened)->get(), *times);
}

/// An object that loses this name may have no other that is known.
ring::Task<Result<void>> Dispatcher::settle_before_names_change(const Operation& operation) {
  for (const stream::ObjectAfter& object : stream::objects_renamed_or_unlinked(operation)) {
    if (!state_.settling.pending(object.object)) continue;
    auto settled = co_await settle(object);
    if (!settled) co_return settled;
  }
  co_return Result<void>{};
}

/// Sets the times of the operation's objects unless another operation on them waits.
ring::Task<Result<void>> Dispatcher::settle_objects(const Operation& operation) {
  for (const stream::ObjectAfter& after : stream::objects_after(operation)) {
    if (!state_.settling.pending(after.object)) continue;
    if (state_.dependencies.contended(stream::object_key(after.object))) continue;
    auto settled = co_await settle(after);
    if (!settled) co_return settled;
  }
  co_return Result<void>{};
}

/// Earlier operations may have left times to this one, which was not applied. What has only the
/// names that are marked is reconciled with them; what has others is set through those.
ring::Task<void> Dispatcher::settle_unapplied(const Operation& operation) {
  for (stream::ObjectAfter object : stream::objects_after(operation)) {
    if (!state_.settling.pending(object.object)) continue;
    if (state_.dependencies.contended(stream::object_key(object.object))) continue;
    if (state_.directories.contains(object.object)) continue;  // its entry or its walk sets them
    object.where.reset();
    const auto settled = co_await settle(object);
    if (settled) continue;
    for (const Location& name : state_.links.all(object.object)) {
      reconciler_.request(name, state::kSinceEver);
    }
  }
}

void Dispatcher::finish(const stream::Recorded& recorded) {
  state_.intake.give_back(recorded.bytes);
  if (state_.watermark.close(recorded.number)) state_.progressed();
}

}  // namespace mirrorfs::live
