#include "mirrorfs/operation.h"

#include <algorithm>

namespace mirrorfs {

Payload::Payload(std::span<const std::byte> bytes)
    : bytes_(std::make_unique_for_overwrite<std::byte[]>(bytes.size())), size_(bytes.size()) {
  std::ranges::copy(bytes, bytes_.get());
}

}  // namespace mirrorfs
