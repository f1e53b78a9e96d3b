#pragma once

#include <cstdint>
#include <vector>

namespace mirrorfs::control {

/// The kernel's numbers of files whose pages it may not have written back yet, because they may be
/// mapped for writing. With the generation they are file handles (open_by_handle_at(2)).
struct MappedFiles {
  std::vector<std::uint64_t> nodes;
  std::uint32_t generation = 0;
};

}  // namespace mirrorfs::control
