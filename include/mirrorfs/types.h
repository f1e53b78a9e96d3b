// The small strong types that fs, engine and tools share.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace mirrorfs {

/// Position of a completed operation in the one order in which the source saw them. 0: none yet.
struct SequenceNumber {
  std::uint64_t value = 0;
  auto operator<=>(const SequenceNumber&) const = default;
  [[nodiscard]] SequenceNumber next() const { return {value + 1}; }
};

/// Bytes [offset, offset + length) of a file.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  [[nodiscard]] std::uint64_t end() const { return offset + length; }
  auto operator<=>(const ByteRange&) const = default;
};

/// Identity of one source object while the daemon runs: device, inode number and birth time
/// (statx STATX_BTIME), so that an inode number used again is another object. Where the filesystem
/// reports no birth time the last is 0. Never persisted: device numbers change across mounts.
struct ObjectId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t birth_ns = 0;
  auto operator<=>(const ObjectId&) const = default;
  [[nodiscard]] explicit operator bool() const { return inode != 0; }
};

}  // namespace mirrorfs

template <>
struct std::hash<mirrorfs::ObjectId> {
  std::size_t operator()(const mirrorfs::ObjectId& id) const noexcept {
    std::uint64_t mixed = (id.inode ^ (static_cast<std::uint64_t>(id.birth_ns) << 1)) + id.device;
    mixed *= 0x9E3779B97F4A7C15ULL;
    return static_cast<std::size_t>(mixed ^ (mixed >> 29));
  }
};
