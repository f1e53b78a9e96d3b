// Directories of the replica that stand for another source directory than the one that is to be
// there.
//
// Operations may be under way in them, or below them, through descriptors. So none is made into
// another: it goes, and what stood for the same objects is found anew by a walk.
#include "engine/compare/entry.h"
#include "engine/copy/remove_tree.h"
#include "engine/live/pass_observer.h"
#include "engine/live/reconciler.h"
#include "engine/stream/claims.h"

namespace mirrorfs::live {

/// The directory is known to stand there from now on. Where the table had it before, a walk has met
/// the source ahead of the replica, which still has its old one in the old place: that is marked.
void Reconciler::place(const ObjectId& directory, const Location& where) {
  const auto before = state_.directories.where(directory);
  if (before && *before != where) {
    abandoned_.insert(stream::entry_key(before->parent, before->name));
  }
  state_.directories.put(directory, where);
  if (before && *before != where && state_.marks.is_known(before->parent)) {
    request(*before, state::kSinceEver);
  }
}

/// Whether the replica has, or may have, the directory of another source directory there. `source`
/// is what the source has there, null for nothing.
bool Reconciler::must_make_room(const Location& entry, const Metadata* source) const {
  const auto stands_there = state_.directories.at(entry);
  if (stands_there) return source == nullptr || *stands_there != source->id();
  return abandoned_.contains(stream::entry_key(entry.parent, entry.name));
}

/// The directories whose replicas go when room is made, as far as they are known. Who makes room
/// holds them all, so that nothing is applied to them, nor moved out of them, while they go.
std::unordered_set<ObjectId> Reconciler::doomed_by(const Location& entry,
                                                   const Metadata* source) const {
  const auto stands_there = state_.directories.at(entry);
  if (!stands_there || !must_make_room(entry, source)) return {};
  std::unordered_set<ObjectId> doomed = {*stands_there};
  for (const ObjectId& below : state_.directories.below(*stands_there)) doomed.insert(below);
  return doomed;
}

/// They are covered by the directory above, which is unknown: its walk meets them, or they are
/// gone.
void Reconciler::forget_below(const ObjectId& directory) {
  for (const ObjectId& below : state_.directories.below(directory)) directory_is_gone(below);
}

/// Before the replica's directory goes: operations on it, and on what is below it, are not applied
/// any more but left to the walk that meets it elsewhere, or to the operation that removes it.
void Reconciler::give_up_replica_of(const ObjectId& directory) {
  forget_below(directory);
  state_.directories.replaced_on_replica(directory);
  state_.links.release_directory(directory);
  state_.marks.set_unknown(directory, state::kSinceEver);
}

ring::Task<Result<void>> Reconciler::make_room(const Location& entry, const Metadata* source,
                                               const compare::DirectoryPair& pair) {
  if (!must_make_room(entry, source)) co_return Result<void>{};
  if (const auto stands_there = state_.directories.at(entry)) give_up_replica_of(*stands_there);
  const auto found = co_await state_.ring.statx(pair.replica, entry.name.c_str());
  if (!found && found.error().code != ENOENT) co_return std::unexpected(found.error());
  if (found && found->is_directory()) {
    PassObserver observer(progress_, state_.totals);
    compare::Context removing = context(observer);
    auto removed = co_await copy::remove_tree(removing.copying(), pair.replica, entry.name.c_str());
    if (!removed) co_return removed;
  }
  abandoned_.erase(stream::entry_key(entry.parent, entry.name));
  co_return Result<void>{};
}

}  // namespace mirrorfs::live
