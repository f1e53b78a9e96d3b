// The times of directories whose entries were changed on the replica.
#include "engine/live/reconciler.h"
#include "engine/objects/attributes.h"
#include "engine/stream/claims.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

ring::Task<void> Reconciler::settle_directories(const std::vector<ObjectId>& directories) {
  bool waited = true;
  while (waited) {
    waited = false;
    for (const ObjectId& directory : directories) {
      if (!state_.settling.pending(directory)) continue;
      if (!state_.dependencies.sole_holder(stream::object_key(directory))) continue;
      if (const state::DirHandle handle = state_.directories.cached_replica(directory)) {
        set_times_now(directory, handle);
        continue;
      }
      const auto opened = co_await state_.directories.open_replica(directory);
      waited = true;
      if (!opened) attributes_unsettled(directory);
    }
  }
}

void Reconciler::set_times_now(const ObjectId& directory, const state::DirHandle& handle) {
  const auto times = state_.settling.take(directory);
  if (!times) return;
  if (const auto set = objects::set_times(handle->get(), *times); !set) {
    log_debug("times of a directory: {}", set.error().message());
    attributes_unsettled(directory);
  }
}

/// Its entry is marked, unless its walk, which sets everything, is still to come.
void Reconciler::attributes_unsettled(const ObjectId& directory) {
  state_.settling.drop(directory);
  const auto where = state_.directories.where(directory);
  if (!where || !state_.marks.is_known(directory)) return;
  if (state_.marks.is_known(where->parent)) request(*where, state::kSinceEver);
}

}  // namespace mirrorfs::live
