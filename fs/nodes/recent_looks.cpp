#include "fs/nodes/recent_looks.h"

#include <algorithm>
#include <utility>

namespace mirrorfs::fs {

void RecentLooks::keep(NodeId id, std::unique_ptr<SeenAttributes> seen) {
  const std::lock_guard lock(mutex_);
  const auto same = std::ranges::find(slots_, id, &Slot::id);
  Slot& slot = same != slots_.end() ? *same : *std::ranges::min_element(slots_, {}, &Slot::kept);
  slot = {.id = id, .seen = std::move(seen), .kept = ++calls_};
}

std::unique_ptr<SeenAttributes> RecentLooks::take(NodeId id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(slots_, id, &Slot::id);
  if (found == slots_.end()) return nullptr;
  return std::exchange(*found, Slot{}).seen;
}

}  // namespace mirrorfs::fs
