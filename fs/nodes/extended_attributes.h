// Extended attributes of the object behind a descriptor of any kind, O_PATH included.
#pragma once

#include <cstddef>
#include <span>

#include "fs/nodes/source_tree.h"
#include "mirrorfs/error.h"

namespace mirrorfs::fs {

/// fgetxattr(2) refuses O_PATH descriptors, and an absolute path under /proc would be a resolution
/// from the root. So the name of the descriptor in our own /proc folder is used, by the *xattrat
/// calls (Linux 6.13), or before that relative to a working directory which only the calling thread
/// has. Safe from any thread.
class ExtendedAttributes {
 public:
  explicit ExtendedAttributes(const SourceTree& source) : source_(source) {}

  /// The value's size; ERANGE when `room` is not empty and too small.
  [[nodiscard]] Result<std::size_t> get(int fd, const char* name, std::span<std::byte> room) const;
  [[nodiscard]] Result<std::size_t> list(int fd, std::span<std::byte> room) const;
  [[nodiscard]] Result<void> set(int fd, const char* name, std::span<const std::byte> value,
                                 int flags) const;
  [[nodiscard]] Result<void> remove(int fd, const char* name) const;

  /// False also where the filesystem has no such attributes.
  [[nodiscard]] bool has(int fd, const char* name) const { return get(fd, name, {}).has_value(); }

 private:
  const SourceTree& source_;
};

}  // namespace mirrorfs::fs
