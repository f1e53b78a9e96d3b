// Directories of the replica that mirror another source directory than the one that belongs there.
//
// Operations may be under way in them, or below them, through descriptors. So none is turned into
// another's copy: it goes, and what it mirrored is found anew by a walk.
#include <algorithm>

#include "engine/compare/entry.h"
#include "engine/copy/prune.h"
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
  release_names_in(directory);
  miss(directory);
}

/// What the replica shows under the name has this very name there.
ring::Task<Result<bool>> Reconciler::is_own_name(const Location& entry, int replica_directory) {
  if (!state_.rights.fidelity.replica.folds_case) co_return true;
  const auto listed = co_await compare::lists_name(state_.ring, replica_directory, entry.name);
  co_return listed;
}

ring::Task<Result<void>> Reconciler::make_room(const Location& entry, const Metadata* source,
                                               const compare::DirectoryPair& pair) {
  const auto stands_there = state_.directories.at(entry);
  if (stands_there && (source == nullptr || *stands_there != source->id())) {
    give_up_replica(*stands_there);
  }
  const auto found = co_await state_.ring.statx(pair.replica, entry.name.c_str());
  if (!found && compare::means_absent(found.error().code)) co_return Result<void>{};
  if (!found) co_return std::unexpected(found.error());
  if (!must_make_room(source, &*found)) co_return Result<void>{};
  const auto own_name = co_await is_own_name(entry, pair.replica);
  if (!own_name) co_return std::unexpected(own_name.error());
  if (!*own_name) co_return Result<void>{};
  // Not where the table has it: somebody has moved it on the replica.
  if (const auto owner = state_.directories.owners().owner(found->id())) give_up_replica(*owner);
  PassObserver observer(progress_, state_.totals);
  auto gone = co_await copy::remove_included(context(observer).copying(), pair.replica, entry.name,
                                             exclude::joined(pair.path, entry.name));
  if (!gone) co_return pass_on(std::move(gone));
  // Something may still be made in it: it is pruned once more when it is no orphan any more.
  if (!*gone) co_return fail(EBUSY, "remove (what is excluded in it stays)", entry.name);
  state_.directories.owners().erase(found->id());
  co_return Result<void>{};
}

}  // namespace mirrorfs::live
