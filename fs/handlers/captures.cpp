#include "fs/handlers/captures.h"

#include "fs/handlers/change_locks.h"
#include "fs/handlers/filesystem.h"

namespace mirrorfs::fs {

Captures::UnseenRef Captures::find(const Node& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = unseen_.find(node.id().value);
  return found == unseen_.end() ? nullptr : found->second;
}

std::vector<Captures::UnseenRef> Captures::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<UnseenRef> all;
  all.reserve(unseen_.size());
  for (const auto& [id, unseen] : unseen_) all.push_back(unseen);
  return all;
}

std::size_t Captures::size() const {
  const std::lock_guard lock(mutex_);
  return unseen_.size();
}

/// The new mark before the old one goes.
void Captures::mark(Filesystem& fs, Unseen& unseen) {
  const auto fd = fs.nodes.descriptor(unseen.node);
  Footprint footprint = fd ? footprint_of(fs, unseen.node, (*fd)->get())
                           : std::move(Footprint().object(unseen.node->object()).name_unknown());
  unseen.mark = fs.replicator.keep_marked(footprint);
  unseen.marked_at = fs.nodes.location(unseen.node);
}

void Captures::opened(Filesystem& fs, const NodeRef& node) {
  const ChangeLocks locks(fs, node);
  UnseenRef unseen = find(*node);
  if (!unseen) {
    unseen = std::make_shared<Unseen>();
    unseen->node = node;
    mark(fs, *unseen);
    const std::lock_guard lock(mutex_);
    unseen_.emplace(node->id().value, unseen);
  }
  ++unseen->handles;
  node->changes_unseen = true;
}

void Captures::released(Filesystem& fs, const NodeRef& node) {
  const ChangeLocks locks(fs, node);
  const UnseenRef unseen = find(*node);
  if (!unseen) return;
  have_compared(fs, node);
  if (--unseen->handles > 0) return;
  node->changes_unseen = false;
  const std::lock_guard lock(mutex_);
  unseen_.erase(node->id().value);
}

/// An intent of which nobody says what came of it.
void Captures::have_compared(Filesystem& fs, const NodeRef& node) {
  const auto fd = fs.nodes.descriptor(node);
  if (!fd) return;
  const std::size_t bytes = fs.replicator.cost(0);
  auto room = fs.replicator.admit(bytes);
  const Intent intent =
      fs.replicator.begin(room ? std::move(*room) : fs.replicator.admit_regardless(bytes),
                          footprint_of(fs, node, (*fd)->get()));
}

void Captures::capture(Filesystem& fs, const NodeRef& node) {
  if (!find(*node)) return;
  const ChangeLocks locks(fs, node);
  if (node->changes_unseen) have_compared(fs, node);
}

void Captures::capture_all(Filesystem& fs) {
  for (const UnseenRef& unseen : all()) capture(fs, unseen->node);
}

void Captures::follow_name(Filesystem& fs, Node& node) {
  const UnseenRef unseen = find(node);
  if (unseen && unseen->marked_at != fs.nodes.location(unseen->node)) mark(fs, *unseen);
}

}  // namespace mirrorfs::fs
