#include "fs/handlers/ahead.h"

#include "fs/handlers/change_locks.h"
#include "fs/handlers/filesystem.h"

namespace mirrorfs::fs {
namespace {

/// The entry, once the engine was told of its directory.
bool add_entry(Filesystem& fs, Footprint& ahead, fuse_ino_t parent, const char* name) {
  const NodeRef node = fs.nodes.find(NodeId{parent});
  if (!node || !node->is_directory()) return false;
  tell_of_directories(fs, node);
  ahead.entry({.parent = node->object(), .name = name});
  return true;
}

}  // namespace

Footprint ahead_of_entry(Filesystem& fs, fuse_ino_t parent, const char* name) {
  Footprint ahead;
  const bool known = fs.replicator.writes_ahead() && add_entry(fs, ahead, parent, name);
  return known ? std::move(ahead) : nothing_ahead();
}

Footprint ahead_of_rename(Filesystem& fs, fuse_ino_t from, const char* name, fuse_ino_t to,
                          const char* new_name) {
  Footprint ahead;
  const bool known = fs.replicator.writes_ahead() && add_entry(fs, ahead, from, name) &&
                     add_entry(fs, ahead, to, new_name);
  return known ? std::move(ahead) : nothing_ahead();
}

Footprint ahead_of_object(Filesystem& fs, fuse_ino_t id) {
  if (!fs.replicator.writes_ahead()) return nothing_ahead();
  const NodeRef node = fs.nodes.find(NodeId{id});
  if (!node) return nothing_ahead();
  tell_of_directories(fs, node);
  Footprint ahead;
  ahead.object(node->object()).change(Footprint::Change::kObject);
  return std::move(ahead.entry(fs.nodes.location(node)));
}

}  // namespace mirrorfs::fs
