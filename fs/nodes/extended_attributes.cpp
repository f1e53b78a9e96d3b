#include "fs/nodes/extended_attributes.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace mirrorfs::fs {
namespace {

// Numbers and layout from Linux 6.13 (include/uapi/linux/xattr.h); the same on every architecture
// that uses the common table, which is all but alpha.
constexpr long kSetxattrat = 463, kGetxattrat = 464, kListxattrat = 465, kRemovexattrat = 466;
struct alignas(8) XattrArguments {
  std::uint64_t value;
  std::uint32_t size;
  std::uint32_t flags;
};

std::atomic<bool> newer_calls_missing{false};

bool missing(long result) {
  if (result >= 0 || errno != ENOSYS) return false;
  newer_calls_missing.store(true, std::memory_order_relaxed);
  return true;
}

bool try_newer_calls() { return !newer_calls_missing.load(std::memory_order_relaxed); }

// Gives the calling thread a working directory of its own, the /proc folder of our descriptors.
// Threads share one otherwise (clone(2), CLONE_FS). The umask it carries along is 0 either way.
Result<void> enter(int folder) {
  thread_local int entered = -1;
  if (entered == folder) return {};
  if (entered < 0 && ::unshare(CLONE_FS) != 0) return fail_errno("unshare");
  if (::fchdir(folder) != 0) return fail_errno("fchdir");
  entered = folder;
  return {};
}

Result<std::size_t> sized(long result, const char* call, const char* name) {
  if (result < 0) return fail_errno(call, name);
  return static_cast<std::size_t>(result);
}

Result<void> done(long result, const char* call, const char* name) {
  if (result < 0) return fail_errno(call, name);
  return {};
}

}  // namespace

Result<std::size_t> ExtendedAttributes::get(int fd, const char* name,
                                            std::span<std::byte> room) const {
  const DescriptorName object(fd);
  if (try_newer_calls()) {
    XattrArguments arguments{reinterpret_cast<std::uint64_t>(room.data()),
                             static_cast<std::uint32_t>(room.size()), 0};
    const long result = ::syscall(kGetxattrat, source_.process_folder(), object.c_str(), 0, name,
                                  &arguments, sizeof arguments);
    if (!missing(result)) return sized(result, "getxattr", name);
  }
  if (auto entered = enter(source_.process_folder()); !entered) return pass_on(std::move(entered));
  return sized(::getxattr(object.c_str(), name, room.data(), room.size()), "getxattr", name);
}

Result<std::size_t> ExtendedAttributes::list(int fd, std::span<std::byte> room) const {
  const DescriptorName object(fd);
  char* const bytes = reinterpret_cast<char*>(room.data());
  if (try_newer_calls()) {
    const long result =
        ::syscall(kListxattrat, source_.process_folder(), object.c_str(), 0, bytes, room.size());
    if (!missing(result)) return sized(result, "listxattr", "");
  }
  if (auto entered = enter(source_.process_folder()); !entered) return pass_on(std::move(entered));
  return sized(::listxattr(object.c_str(), bytes, room.size()), "listxattr", "");
}

Result<void> ExtendedAttributes::set(int fd, const char* name, std::span<const std::byte> value,
                                     int flags) const {
  const DescriptorName object(fd);
  if (try_newer_calls()) {
    XattrArguments arguments{reinterpret_cast<std::uint64_t>(value.data()),
                             static_cast<std::uint32_t>(value.size()),
                             static_cast<std::uint32_t>(flags)};
    const long result = ::syscall(kSetxattrat, source_.process_folder(), object.c_str(), 0, name,
                                  &arguments, sizeof arguments);
    if (!missing(result)) return done(result, "setxattr", name);
  }
  if (auto entered = enter(source_.process_folder()); !entered) return entered;
  return done(::setxattr(object.c_str(), name, value.data(), value.size(), flags), "setxattr",
              name);
}

Result<void> ExtendedAttributes::remove(int fd, const char* name) const {
  const DescriptorName object(fd);
  if (try_newer_calls()) {
    const long result =
        ::syscall(kRemovexattrat, source_.process_folder(), object.c_str(), 0, name);
    if (!missing(result)) return done(result, "removexattr", name);
  }
  if (auto entered = enter(source_.process_folder()); !entered) return entered;
  return done(::removexattr(object.c_str(), name), "removexattr", name);
}

}  // namespace mirrorfs::fs
