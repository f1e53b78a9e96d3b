// Reconciling one directory whose listing is unknown.
#include <fcntl.h>
#include <fmt/core.h>

#include "engine/copy/content.h"
#include "engine/live/pass_observer.h"
#include "engine/live/reconciler.h"
#include "engine/stream/claims.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

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
  Hold hold(state_.dependencies);
  co_await hold.acquire(claims);
  const Attempt attempt = co_await directory_held(directory);
  const std::vector<ObjectId> directories = {directory};
  co_await settle_directories(directories);
  co_return attempt;
}

ring::Task<Reconciler::Attempt> Reconciler::directory_held(ObjectId directory) {
  if (!state_.directories.contains(directory)) {
    state_.marks.set_known(directory);  // removed meanwhile
    co_return Attempt::kDone;
  }
  const bool is_root = directory == state_.directories.root();
  if (state_.marks.is_known(directory)) co_return Attempt::kDone;
  if (!is_root && !state_.directories.where(directory)) {
    co_return Attempt::kDone;  // displaced: walked when it gets its new place
  }
  auto source = co_await open_reachable_source(directory);
  if (!source) {
    const int code = source.error().code;
    if (code == ENOENT || code == ESTALE) co_return not_in_its_place(directory);
    directory_failed(directory, source.error());
    co_return Attempt::kDone;
  }
  lost_.found(directory);
  auto replica = co_await state_.directories.open_replica(directory);
  if (!replica) {
    directory_failed(directory, replica.error());
    co_return Attempt::kDone;
  }
  const auto walked = co_await walk_directory(directory, *source, *replica);
  if (!walked) directory_failed(directory, walked.error());
  co_return Attempt::kDone;
}

ring::Task<Result<void>> Reconciler::walk_directory(ObjectId directory,
                                                    const state::DirHandle& source,
                                                    const state::DirHandle& replica) {
  PassObserver observer(progress_, state_.totals);
  observer.remember_objects();
  const compare::DirectoryPair pair{directory, source->get(), replica->get()};
  const bool is_root = directory == state_.directories.root();
  const compare::DeferPredicate defer = [this, directory](const std::string& name,
                                                          const Metadata* metadata) {
    if (metadata != nullptr && needs_own_reconcile(*metadata)) return true;
    return must_make_room({directory, name}, metadata);
  };
  const std::uint64_t generation = state_.marks.unknown_generation(directory);
  auto result =
      co_await compare::reconcile_directory(context(observer), pair, policy_, defer, is_root);
  if (!result) co_return pass_on(std::move(result));
  const compare::FinishOptions options{.source = {}, .replica = {}, .touched = result->changed};
  auto finished = co_await compare::finish_directory(context(observer), pair, "", options, policy_);
  directory_reflects(directory);
  state_.settling.drop(directory);
  state_.files.erase_in(directory);
  for (const ObjectId& object : observer.objects()) {
    state_.files.erase(object);
    state_.settling.drop(object);
  }
  if (state_.marks.unknown_generation(directory) == generation &&
      state_.directories.contains(directory)) {
    take_over(directory, *result);
  }
  if (!finished) co_return pass_on(std::move(finished));
  co_return Result<void>{};
}

void Reconciler::take_over(const ObjectId& directory, const compare::DirectoryResult& result) {
  state_.marks.forget_directory(directory);  // all its entries were looked at
  ++state_.reconciled;
  state_.links.release_directory(directory);
  state_.marks.set_known(directory);
  for (const compare::ChildDirectory& child : result.children) {
    const ObjectId id = child.source.id();
    place(id, {directory, child.name});
    walk_anew(id);
  }
  put_off(directory, result);
}

/// What the walk left to entries of their own.
void Reconciler::put_off(const ObjectId& directory, const compare::DirectoryResult& result) {
  for (const std::string& name : result.deferred) {
    enqueue({directory, name}, state::kSinceEver, Origin::kWalk);
  }
  for (const compare::EntryFailure& failure : result.failed) {
    const Location entry{directory, failure.name};
    state_.marks.mark(entry, state::kSinceEver);
    entry_failed(entry, failure.error);
  }
}

/// Its place in the parent is marked, so that it is tried again and named in the status.
void Reconciler::directory_failed(const ObjectId& directory, const Error& error) {
  const auto where = state_.directories.where(directory);
  if (!where && directory != state_.directories.root()) return;  // displaced meanwhile
  if (!where) {
    state_.count_error(error.message());
    log_error("the roots cannot be reconciled: {}", error.message());
    root_failed_ = true;
    return;
  }
  state_.marks.set_known(directory);
  state_.marks.mark(*where, state::kSinceEver);
  must_walk_.insert(directory);
  entry_failed(*where, error);
}

}  // namespace mirrorfs::live
