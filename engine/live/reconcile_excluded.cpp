// Entries that are excluded as the source or the replica has them.
#include "engine/compare/entry.h"
#include "engine/live/reconciler.h"

namespace mirrorfs::live {

Result<compare::DirectoryPair> Reconciler::pair_of(const ObjectId& directory,
                                                   const state::DirHandle& source,
                                                   const state::DirHandle& replica) const {
  compare::DirectoryPair pair{directory, source->get(), replica->get()};
  if (!state_.exclusion.needs_paths()) return pair;
  auto path = state_.directories.full_path(directory);
  if (!path) return fail(ESTALE, "directory has no known place");
  pair.path = std::move(*path);
  return pair;
}

/// The replica is asked only where its type decides.
ring::Task<Result<bool>> Reconciler::is_left_alone(const Location& entry, const Metadata* source,
                                                   const compare::DirectoryPair& pair) {
  const exclude::Exclusion& exclusion = state_.exclusion;
  if (exclusion.empty()) co_return false;
  const std::string path = exclude::joined(pair.path, entry.name);
  if (source != nullptr && exclusion.leaves_alone(path, source->is_directory(), std::nullopt)) {
    co_return true;
  }
  const bool may_be = exclusion.leaves_alone(path, std::nullopt, true) ||
                      exclusion.leaves_alone(path, std::nullopt, false);
  if (!may_be) co_return false;
  const auto there = co_await state_.ring.statx(pair.replica, entry.name.c_str());
  if (!there && compare::means_absent(there.error().code)) co_return false;
  if (!there) co_return std::unexpected(there.error());
  co_return exclusion.leaves_alone(path, std::nullopt, there->is_directory());
}

/// A directory that the source has there is not, or no more, mirrored at all.
void Reconciler::leave_alone(const Location& entry, const Metadata* source) {
  state_.links.release(entry);
  // What was refused under this name is no matter of the name any more.
  follow_refusals(entry, source != nullptr ? source->id() : ObjectId{}, nullptr);
  if (source == nullptr || !state_.directories.contains(source->id())) return;
  const auto known_at = state_.directories.where(source->id());
  tree_is_gone(source->id());
  const bool elsewhere =
      known_at && *known_at != entry && state_.directories.takes_marks(known_at->parent);
  if (elsewhere) request(*known_at, state::kSinceEver);
}

}  // namespace mirrorfs::live
