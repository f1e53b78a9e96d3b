#include "fs/nodes/written_sizes.h"

#include <algorithm>

namespace mirrorfs::fs {

void WrittenSizes::note(const ObjectId& directory, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find(slots_, directory, &Slot::directory);
  if (bytes < kLarge) {
    if (known != slots_.end() && known->left > 0) --known->left;
    return;
  }
  Slot& slot = known != slots_.end() ? *known : *std::ranges::min_element(slots_, {}, &Slot::noted);
  slot = {.directory = directory, .left = kForgotten, .noted = ++calls_};
}

bool WrittenSizes::expects_large(const ObjectId& directory) const {
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find(slots_, directory, &Slot::directory);
  return known != slots_.end() && known->left > 0;
}

}  // namespace mirrorfs::fs
