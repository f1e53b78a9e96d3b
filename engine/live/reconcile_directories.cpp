// Reconciling one directory whose entries may differ: a walk.
#include <fcntl.h>
#include <fmt/core.h>

#include <utility>

#include "engine/copy/content.h"
#include "engine/live/pass_observer.h"
#include "engine/live/reconciler.h"
#include "engine/stream/claims.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

using state::DirectoryState;

/// Larger files are reconciled on their own, so that operations elsewhere in their directory do not
/// wait for them; files with several names need the claim on their object.
bool needs_own_reconcile(const Metadata& source) {
  if (source.is_directory()) return false;
  return source.nlink > 1 || (source.is_regular() && source.size >= copy::kUpdateInPlace);
}

}  // namespace

ring::Task<void> Reconciler::directory_task(ObjectId directory) {
  const Attempt attempt = co_await try_directory(directory);
  if (attempt == Attempt::kAgain && !state_.ring.stopping()) {
    co_await source_is_ahead();
    directory_queue_.push_front(directory);
  }
  --active_directories_;
  after_work();
}

ring::Task<Reconciler::Attempt> Reconciler::try_directory(ObjectId directory) {
  stream::ClaimSet claims;
  claims.exclusive(stream::object_key(directory));
  Hold hold(state_);
  co_await hold.acquire(claims);
  const Attempt attempt = co_await directory_held(directory);
  co_return attempt;
}

ring::Task<Reconciler::Attempt> Reconciler::directory_held(ObjectId directory) {
  if (state_.directories.state(directory) != DirectoryState::kUnwalked) co_return Attempt::kDone;
  state_.directories.begin_walk(directory);
  auto source = co_await open_reachable_source(directory);
  if (!source) {
    const int code = source.error().code;
    if (code != ENOENT && code != ESTALE) {
      walk_failed(directory, source.error());
      co_return Attempt::kDone;
    }
    // An overflow may have told meanwhile that it was removed.
    if (!state_.directories.contains(directory)) co_return Attempt::kDone;
    state_.directories.mark_unwalked(directory);
    co_return not_in_its_place(directory);
  }
  found(directory);
  auto replica = co_await state_.directories.open_replica(directory);
  if (!replica) {
    walk_failed(directory, replica.error());
    co_return Attempt::kDone;
  }
  const auto walked = co_await walk_directory(directory, *source, *replica);
  if (!walked) {
    walk_failed(directory, walked.error());
  } else if (directory == state_.directories.root()) {
    root_retry_.succeeded();
  }
  co_return Attempt::kDone;
}

ring::Task<Result<void>> Reconciler::walk_directory(ObjectId directory,
                                                    const state::DirHandle& source,
                                                    const state::DirHandle& replica) {
  co_await state_.marks_are_durable();
  PassObserver observer(progress_, state_.totals);
  observer.remember_objects();
  const auto found_pair = pair_of(directory, source, replica);
  if (!found_pair) co_return std::unexpected(found_pair.error());
  const compare::DirectoryPair& pair = *found_pair;
  const bool is_root = directory == state_.directories.root();
  // See lacks_names().
  const bool trusting = state_.directories.trusting();
  const compare::DeferPredicate defer = [this, directory, trusting](const std::string& name,
                                                                    const Metadata* in_source,
                                                                    const Metadata* in_replica) {
    if (in_source != nullptr && needs_own_reconcile(*in_source)) return true;
    const bool linked =
        in_replica != nullptr && !in_replica->is_directory() && in_replica->nlink > 1;
    if (linked && trusting) return true;
    const bool both_files = in_source != nullptr && in_replica != nullptr &&
                            in_source->is_regular() && in_replica->is_regular();
    if (both_files && distrusted_.contains({directory, name})) return true;
    return must_make_room(in_source, in_replica);
  };
  const std::uint64_t requests = state_.marks.requests();
  const stream::Look from = state_.readings.begin();
  auto result =
      co_await compare::reconcile_directory(context(observer), pair, policy_, defer, is_root);
  if (!result) co_return pass_on(std::move(result));
  // What was done through names that are excluded, to objects that have others.
  if (result->left_out && std::exchange(state_.comparing_marks, false)) request_everything();
  const auto read = co_await state_.ring.statx(source->get(), "", AT_EMPTY_PATH);
  if (!read) co_return std::unexpected(read.error());
  const compare::FinishOptions options{.source = *read, .replica = {}, .touched = result->changed};
  auto finished = co_await compare::finish_directory(context(observer), pair, "", options, policy_);
  const SequenceNumber done = state_.finished.closed_through();
  state_.readings.note_directory(directory, from, done);
  state_.files.erase_in(directory);
  state_.times.release_directory(directory);
  for (const ObjectId& object : observer.seen_objects()) state_.files.erase(object);
  for (const auto& [name, object] : observer.reconciled_objects()) {
    state_.readings.note_object(object.id(), Location{directory, name}, from, done, object);
    state_.owed.read(object.id(), from.recorded);
    note_names(object);
    state_.files.erase(object.id());
    times_are_read(object.id(), Location{directory, name}, object, from.recorded);
  }
  if (!finished) co_return pass_on(std::move(finished));
  follow_refusals_in(directory, observer, *result);
  state_.readings.note_object(directory, std::nullopt, from, done, *read);
  times_are_read(directory, std::nullopt, *read, from.recorded);
  if (state_.directories.end_walk(directory)) {
    state_.marks.walked(directory, requests);
    take_over(directory, *result);
  }
  co_return Result<void>{};
}

/// What was pending is set, or what is read now is newer. Where times are coarse one that was never
/// set, but is when the replica was written, is found equal to the source's: there it is set.
void Reconciler::times_are_read(const ObjectId& object, const std::optional<Location>& where,
                                const Metadata& read, SequenceNumber recorded) {
  if (state_.times.find(object) == nullptr) return;
  const bool coarse = state_.rights.fidelity.replica.times.granularity > 1;
  if (!coarse) return state_.times.drop(object);
  state_.times.note(object, where, read, recorded, state::PendingTimes::Clock::now());
}

ring::Task<Result<void>> Reconciler::reconcile_root() {
  const ObjectId root = state_.directories.root();
  const auto source = co_await state_.directories.open_source(root);
  if (!source) co_return std::unexpected(source.error());
  const auto replica = co_await state_.directories.open_replica(root);
  if (!replica) co_return std::unexpected(replica.error());
  PassObserver observer(progress_, state_.totals);
  const stream::Look from = state_.readings.begin();
  const auto read = co_await state_.ring.statx((*source)->get(), "", AT_EMPTY_PATH);
  if (!read) co_return std::unexpected(read.error());
  const compare::DirectoryPair pair{root, (*source)->get(), (*replica)->get()};
  const compare::FinishOptions options{.source = *read, .replica = {}, .touched = true};
  const compare::Policy policy{};
  auto done = co_await compare::finish_directory(context(observer), pair, "", options, policy);
  if (!done) co_return pass_on(std::move(done));
  follow_refusals(own_entry(root), root, observer.refusal_of({}));
  state_.readings.note_object(root, std::nullopt, from, state_.finished.closed_through(), *read);
  state_.reconciled_in(root);
  co_return Result<void>{};
}

/// The source has the directory there, and `replica` is what the replica had before any change,
/// none if it was made anew. True: it has to be walked, and will be.
bool Reconciler::meet(const ObjectId& directory, const Location& where,
                      const std::optional<Metadata>& replica) {
  if (state_.directories.excludes(where, true)) return false;
  const auto before = state_.directories.where(directory);
  const ObjectId copy = replica ? replica->id() : ObjectId{};
  const auto met = state_.directories.met(directory, where, copy, state_.intake.last_recorded());
  for (const ObjectId& forgotten : met.forgotten) forget(forgotten);
  note_displaced();
  // A reading ahead of a rename: its old copy is an orphan in the old place, and has to go.
  if (before && *before != where && state_.directories.takes_marks(before->parent)) {
    request(*before, state::kSinceEver);
  }
  if (!met.must_be_walked) return false;
  lost_.found(directory);
  release_names_in(directory);
  queue_directory(directory);
  return true;
}

void Reconciler::take_over(const ObjectId& directory, const compare::DirectoryResult& result) {
  state_.reconciled_in(directory);
  ++state_.repaired;
  state_.links.release_directory(directory);
  for (const compare::ChildDirectory& child : result.children) {
    const Location where{directory, child.name};
    // A known one is not walked again: its attributes are compared by a reconcile of its own.
    if (!meet(child.source.id(), where, child.replica)) {
      request(where, state::kSinceEver, state::Origin::kWalk);
    }
  }
  for (const std::string& name : result.deferred) {
    request({directory, name}, state::kSinceEver, state::Origin::kWalk);
  }
  // The walk has taken over their marks.
  for (const std::string& name : state_.late.names_in(directory)) {
    request({directory, name}, state::kSinceEver, state::Origin::kWalk);
  }
  for (const compare::EntryFailure& failure : result.failed) {
    const Location entry{directory, failure.name};
    if (state_.marks.request(entry, state::kSinceEver, state::Origin::kWalk)) {
      entry_failed(entry, {}, failure.error);
    }
  }
}

void Reconciler::root_walk_failed(const Error& error) {
  state_.directories.mark_unwalked(state_.directories.root());
  state_.count_error(error.message());
  log_repeating(LogLevel::kError, "the roots",
                fmt::format("the roots cannot be reconciled: {}", error.message()));
  root_retry_.failed();
  root_failed_ = true;
  need_retries();
}

/// Its place in the parent is marked, so that it is tried again and named in the status. That entry
/// may be equal each time, so the failures are counted here.
void Reconciler::walk_failed(const ObjectId& directory, const Error& error) {
  const auto where = state_.directories.where(directory);
  if (directory == state_.directories.root()) return root_walk_failed(error);
  const unsigned failed_before = state_.directories.fail_walk(directory);
  if (!where || state_.directories.state(directory) != DirectoryState::kDamaged) return;
  if (state_.marks.request(*where, state::kSinceEver, state::Origin::kOperation)) {
    entry_failed(*where, {}, error, failed_before);
  }
}

}  // namespace mirrorfs::live
