// The one name in the source's root that the mount neither shows nor allows to be created.
#pragma once

#include <string_view>

#include "mirrorfs/mirror.h"

namespace mirrorfs::fs {

[[nodiscard]] inline bool is_reserved_name(bool parent_is_root, std::string_view name) {
  return parent_is_root && name == kReservedName;
}

/// A single component: the kernel sends nothing else, but the protocol would let it.
[[nodiscard]] inline bool is_single_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

}  // namespace mirrorfs::fs
