// Extended attributes of the object behind a descriptor of any kind, O_PATH included.
#pragma once

#include <cstddef>
#include <span>

#include "fs/nodes/source_tree.h"
#include "mirrorfs/error.h"

namespace mirrorfs::fs {

/// The calls of mirrorfs/object_calls.h with their errors named. Safe from any thread.
class ExtendedAttributes {
 public:
  explicit ExtendedAttributes(const SourceTree&) {}

  /// The value's size; ERANGE when `room` is not empty and too small.
  [[nodiscard]] Result<std::size_t> get(int fd, const char* name, std::span<std::byte> room) const;
  [[nodiscard]] Result<std::size_t> list(int fd, std::span<std::byte> room) const;
  [[nodiscard]] Result<void> set(int fd, const char* name, std::span<const std::byte> value,
                                 int flags) const;
  [[nodiscard]] Result<void> remove(int fd, const char* name) const;

  /// False also where the filesystem has no such attributes.
  [[nodiscard]] bool has(int fd, const char* name) const { return get(fd, name, {}).has_value(); }
};

}  // namespace mirrorfs::fs
