// Magic numbers of statfs(2) that are not in every linux/magic.h.
#pragma once

#include <cstdint>

namespace mirrorfs::objects {

inline constexpr std::uint32_t kZfsMagic = 0x2fc12fc1;
inline constexpr std::uint32_t kBcachefsMagic = 0xca451a4e;

}  // namespace mirrorfs::objects
