#include "fs/handlers/change_locks.h"

#include <algorithm>
#include <utility>

namespace mirrorfs::fs {
/// Waits for no room in the queue: it is once for each directory, and so that whoever needs it has
/// room already does not have to let it go again.
void tell_of_directories(Filesystem& fs, const NodeRef& node) {
  while (const NodeRef directory = fs.nodes.uppermost_unlearnt(node)) {
    const NodeLocks locks(directory);
    if (fs.nodes.uppermost_unlearnt(directory) != directory) continue;  // told, or moved meanwhile
    auto where = fs.nodes.location(directory);
    if (!where) continue;
    Intent intent =
        fs.replicator.begin(Admission(), std::move(Footprint()
                                                       .object(directory->object())
                                                       .entry(*where)
                                                       .change(Footprint::Change::kNothing)));
    intent.record(LearnDirectory{.object = directory->object(), .where = std::move(*where)});
    intent.complete();
    fs.nodes.set_learnt(directory);
  }
}

ChangeLocks::ChangeLocks(Filesystem& fs, std::initializer_list<Node*> locked,
                         std::initializer_list<const NodeRef*> named)
    : fs_(fs) {
  const auto told = [&fs](const NodeRef* node) { return !fs.nodes.uppermost_unlearnt(*node); };
  for (;;) {
    for (const NodeRef* const node : named) tell_of_directories(fs, *node);
    locks_.emplace(locked);
    if (std::ranges::all_of(named, told)) break;
    locks_.reset();
  }
  for (Node* const node : locked) {
    if (node == nullptr) continue;
    auto seen = node->is_directory() ? fs.directory_looks.take(node->id()) : std::move(node->seen);
    if (node == *locked.begin()) seen_ = std::move(seen);
  }
  std::ranges::copy(locked, changed_.begin());
  for (Node* const node : changed_) {
    if (node == nullptr || !node->changes_unseen) continue;
    auto seen = fs_.captures.before_change(fs_, *node);
    if (node == changed_.front()) seen_ = std::move(seen);
  }
}

void ChangeLocks::unlock() {
  if (!locks_) return;
  for (Node* const node : changed_) {
    if (node != nullptr && node->changes_unseen) fs_.captures.after_change(fs_, *node);
  }
  locks_.reset();
}

void add_other_names(const Filesystem& fs, Footprint& footprint, const NodeRef& node,
                     const Metadata& metadata, const Location& but) {
  const bool linked = !metadata.is_directory() && metadata.nlink > 1;
  if (!linked || !fs.replicator.writes_ahead()) return;
  OtherNames others{.object = node->object(), .known = fs.nodes.locations(node), .all = false};
  std::erase(others.known, but);
  others.all = metadata.nlink <= others.known.size() + 1;
  footprint.other_names(std::move(others));
}

Footprint footprint_of(Filesystem& fs, const NodeRef& node, int fd) {
  Footprint footprint;
  footprint.object(node->object()).change(Footprint::Change::kObject);
  if (auto where = fs.nodes.location(node)) {
    const bool asks = fs.replicator.writes_ahead() && fs.nodes.may_be_linked(node);
    const auto metadata = asks ? fs.source.stat(fd) : Metadata{};
    if (!metadata) return std::move(footprint.name_unknown());
    add_other_names(fs, footprint, node, *metadata, *where);
    return std::move(footprint.entry(std::move(*where)));
  }
  const auto metadata = fs.source.stat(fd);
  const bool has_a_name = !metadata || metadata->nlink > 0;
  return has_a_name ? std::move(footprint.name_unknown()) : std::move(footprint);
}

/// An intent of which nobody says what came of it. The replica has nothing of what has no name.
void have_compared(Filesystem& fs, const NodeRef& node, int fd) {
  const auto now = fs.source.stat(fd);
  if (now && now->nlink == 0) return;
  const std::size_t bytes = fs.replicator.cost(0);
  auto room = fs.replicator.admit(bytes);
  const Intent intent = fs.replicator.begin(
      room ? std::move(*room) : fs.replicator.admit_regardless(bytes), footprint_of(fs, node, fd));
}

}  // namespace mirrorfs::fs
