#include "fs/handlers/child_locks.h"

namespace mirrorfs::fs {

Result<std::optional<Child>> look_at_child(Filesystem& fs, int directory, const char* name) {
  auto metadata = fs.source.stat_at(directory, name);
  if (!metadata) {
    if (metadata.error().code == ENOENT) return std::nullopt;
    return pass_on(std::move(metadata));
  }
  return Child{.node = fs.nodes.acquire(*metadata), .metadata = *metadata};
}

Result<bool> still_means(Filesystem& fs, int directory, const char* name,
                         std::optional<Child>& child) {
  auto metadata = fs.source.stat_at(directory, name);
  if (!metadata) {
    if (metadata.error().code == ENOENT) return !child.has_value();
    return pass_on(std::move(metadata));
  }
  if (!child || metadata->id() != child->node->object()) return false;
  child->metadata = *metadata;
  return true;
}

}  // namespace mirrorfs::fs
