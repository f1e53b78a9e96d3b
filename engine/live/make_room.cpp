// Directories of the replica that mirror another source directory than the one that belongs there.
//
// Operations may be under way in them, or below them, through descriptors. So none is turned into
// another's copy: it goes, and what it mirrored is found anew by a walk.
#include <algorithm>

#include "engine/copy/remove_tree.h"
#include "engine/live/pass_observer.h"
#include "engine/live/reconciler.h"

namespace mirrorfs::live {

/// Whether the replica's directory there is not, and must not become, the copy of what the source
/// has there; `source` is null for nothing.
bool Reconciler::must_make_room(const Metadata* source, const Metadata* replica) const {
  if (replica == nullptr || !replica->is_directory()) return false;
  using Standing = state::ReplicaOwners::Standing;
  const ObjectId wanted = source != nullptr ? source->id() : ObjectId{};
  const Standing standing = state_.directories.owners().standing(replica->id(), wanted);
  return standing == Standing::kOthers;
}

/// The directories whose copies go when room is made, as far as they are known. Whoever makes room
/// holds them all, so that nothing is applied to them, nor moved out of them, while they go.
std::vector<ObjectId> Reconciler::doomed_by(const Location& entry, const Metadata* source) const {
  const auto stands_there = state_.directories.at(entry);
  if (!stands_there || (source != nullptr && *stands_there == source->id())) return {};
  std::vector<ObjectId> doomed = state_.directories.below(*stands_there);
  doomed.push_back(*stands_there);
  return doomed;
}

void Reconciler::give_up_replica(const ObjectId& directory) {
  const auto recorded = state_.intake.last_recorded();
  for (const ObjectId& below : state_.directories.give_up_replica(directory, recorded)) {
    forget(below);
  }
  state_.links.release_directory(directory);
  state_.files.erase_in(directory);
  lost_.missed(directory, std::nullopt, recorded, LostDirectories::Clock::now());
  need_retries();
}

ring::Task<Result<void>> Reconciler::make_room(const Location& entry, const Metadata* source,
                                               const compare::DirectoryPair& pair) {
  const auto stands_there = state_.directories.at(entry);
  if (stands_there && (source == nullptr || *stands_there != source->id())) {
    give_up_replica(*stands_there);
  }
  const auto found = co_await state_.ring.statx(pair.replica, entry.name.c_str());
  if (!found && found.error().code == ENOENT) co_return Result<void>{};
  if (!found) co_return std::unexpected(found.error());
  if (!must_make_room(source, &*found)) co_return Result<void>{};
  // Not where the table has it: somebody has moved it on the replica.
  if (const auto owner = state_.directories.owners().owner(found->id())) give_up_replica(*owner);
  PassObserver observer(progress_, state_.totals);
  auto removed =
      co_await copy::remove_tree(context(observer).copying(), pair.replica, entry.name.c_str());
  if (!removed) co_return removed;
  state_.directories.owners().erase(found->id());
  co_return Result<void>{};
}

}  // namespace mirrorfs::live
