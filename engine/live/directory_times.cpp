// The times of directories whose entries were changed on the replica.
#include "engine/live/reconciler.h"
#include "engine/objects/attributes.h"
#include "engine/stream/claims.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

ring::Task<void> Reconciler::set_directory_times(std::vector<ObjectId> directories) {
  bool waited = true;
  while (waited) {
    waited = false;
    for (const ObjectId& directory : directories) {
      if (!state_.times.pending(directory)) continue;
      if (!state_.dependencies.sole_holder(stream::object_key(directory))) continue;
      if (const state::DirHandle handle = state_.directories.cached_replica(directory)) {
        set_times_now(directory, handle);
        continue;
      }
      const auto opened = co_await state_.directories.open_replica(directory);
      waited = true;
      if (!opened) times_not_set(directory);
    }
  }
}

void Reconciler::set_times_now(const ObjectId& directory, const state::DirHandle& handle) {
  const auto times = state_.times.take(directory);
  if (!times) return;
  if (const auto set = objects::set_times(handle->get(), *times); !set) {
    log_debug("times of a directory: {}", set.error().message());
    times_not_set(directory);
  }
}

/// Its entry is marked, unless its walk, which sets everything, is still to come.
void Reconciler::times_not_set(const ObjectId& directory) {
  state_.times.drop(directory);
  const auto where = state_.directories.where(directory);
  if (!where || !state_.directories.is_known(directory)) return;
  if (state_.directories.takes_marks(where->parent)) request(*where, state::kSinceEver);
}

}  // namespace mirrorfs::live
