#include "fs/nodes/extended_attributes.h"

#include <sys/types.h>

#include "mirrorfs/object_calls.h"

namespace mirrorfs::fs {
namespace {

constexpr calls::Descriptor kPath = calls::Descriptor::kPath;  // as nodes keep them

Result<std::size_t> sized(ssize_t result, const char* call, const char* name) {
  if (result < 0) return fail(static_cast<int>(-result), call, name);
  return static_cast<std::size_t>(result);
}

Result<void> done(int result, const char* call, const char* name) {
  if (result < 0) return fail(-result, call, name);
  return {};
}

}  // namespace

Result<std::size_t> ExtendedAttributes::get(int fd, const char* name,
                                            std::span<std::byte> room) const {
  return sized(calls::get_xattr(fd, name, room.data(), room.size(), kPath), "getxattr", name);
}

Result<std::size_t> ExtendedAttributes::list(int fd, std::span<std::byte> room) const {
  char* const names = reinterpret_cast<char*>(room.data());
  return sized(calls::list_xattrs(fd, names, room.size(), kPath), "listxattr", "");
}

Result<void> ExtendedAttributes::set(int fd, const char* name, std::span<const std::byte> value,
                                     int flags) const {
  return done(calls::set_xattr(fd, name, value.data(), value.size(), flags, kPath), "setxattr",
              name);
}

Result<void> ExtendedAttributes::remove(int fd, const char* name) const {
  return done(calls::remove_xattr(fd, name, kPath), "removexattr", name);
}

}  // namespace mirrorfs::fs
