// Times that operations leave to be set: every change of an object, and of a directory's entries,
// moves them on the replica.
#include "engine/live/dispatcher.h"
#include "engine/live/reconciler.h"
#include "engine/objects/attributes.h"
#include "engine/stream/claims.h"

namespace mirrorfs::live {

/// Those of an object that can be reached by this name, or another.
ring::Task<Result<void>> Dispatcher::set_times(const stream::ObjectAfter& object) {
  const auto times = state_.times.take(object.object);
  auto opened = co_await applier_.open_object(object.object, object.where, 0);
  if (!opened) co_return pass_on(std::move(opened));
  if (*opened == nullptr) co_return Result<void>{};
  co_return state_.writer.set_times((*opened)->get(), *times);
}

/// An object that loses this name may have no other that is known.
ring::Task<Result<void>> Dispatcher::set_times_before_names_change(const Operation& operation) {
  for (const stream::ObjectAfter& object : stream::objects_renamed_or_unlinked(operation)) {
    if (!state_.times.pending(object.object)) continue;
    auto set = co_await set_times(object);
    if (!set) co_return set;
  }
  co_return Result<void>{};
}

/// Those of the operation's objects, unless another operation on them waits.
ring::Task<Result<void>> Dispatcher::set_times_of_objects(const Operation& operation) {
  for (const stream::ObjectAfter& after : stream::objects_after(operation)) {
    if (!state_.times.pending(after.object)) continue;
    if (state_.dependencies.contended(stream::object_key(after.object))) continue;
    auto set = co_await set_times(after);
    if (!set) co_return set;
  }
  co_return Result<void>{};
}

/// Earlier operations may have deferred times to this one, which was not applied. What has only the
/// names that are marked is reconciled with them; what has others is set through those.
ring::Task<void> Dispatcher::set_times_of_unapplied(const Operation& operation) {
  for (stream::ObjectAfter object : stream::objects_after(operation)) {
    if (!state_.times.pending(object.object)) continue;
    if (state_.dependencies.contended(stream::object_key(object.object))) continue;
    if (state_.directories.contains(object.object)) continue;  // its entry or its walk sets them
    object.where.reset();
    const auto set = co_await set_times(object);
    if (set) continue;
    for (const Location& name : state_.links.all(object.object)) {
      reconciler_.request(name, state::kSinceEver);
    }
  }
}

}  // namespace mirrorfs::live
