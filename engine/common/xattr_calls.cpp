// Extended attributes of an object behind a descriptor of any kind.
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "mirrorfs/object_calls.h"

namespace mirrorfs::calls {
namespace {

// Numbers and layout of Linux 6.13 (include/uapi/linux/xattr.h), not yet in this libc's headers;
// the same on every architecture that uses the common table, which is all but alpha.
constexpr long kSetxattrat = 463;
constexpr long kGetxattrat = 464;
constexpr long kListxattrat = 465;
constexpr long kRemovexattrat = 466;

struct alignas(8) XattrArguments {
  std::uint64_t value;
  std::uint32_t size;
  std::uint32_t flags;
};

XattrArguments arguments_of(const void* value, std::size_t size, int flags) {
  return {reinterpret_cast<std::uintptr_t>(value), static_cast<std::uint32_t>(size),
          static_cast<std::uint32_t>(flags)};
}

template <class T>
T or_errno(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

/// Gives the calling thread a working directory of its own, the folder of our descriptors: threads
/// share one otherwise (clone(2), CLONE_FS). It takes a copy of the umask along. 0, or -errno.
int enter_process_folder() {
  thread_local bool alone = false;
  if (!alone && ::unshare(CLONE_FS) != 0) return -errno;
  alone = true;
  return or_errno(::fchdir(process_folder()));
}

std::atomic<bool> has_at_calls = true;

/// `direct` on the descriptor, `at` on its name in a folder, `by_name` on its name in the working
/// directory: the first that can serve it.
template <class Direct, class At, class ByName>
long call(int fd, Descriptor kind, const Direct& direct, const At& at, const ByName& by_name) {
  if (kind == Descriptor::kAny) {
    const long result = or_errno(static_cast<long>(direct()));
    if (result != -EBADF) return result;
  }
  const DescriptorName name(fd);
  if (has_at_calls.load(std::memory_order_relaxed)) {
    const long result = or_errno(static_cast<long>(at(process_folder(), name.c_str())));
    if (result != -ENOSYS) return result;
    has_at_calls.store(false, std::memory_order_relaxed);
  }
  if (const int entered = enter_process_folder(); entered < 0) return entered;
  return or_errno(static_cast<long>(by_name(name.c_str())));
}

}  // namespace

ssize_t list_xattrs(int fd, char* names, std::size_t size, Descriptor kind) {
  return call(
      fd, kind, [=] { return ::flistxattr(fd, names, size); },
      [=](int folder, const char* object) {
        return ::syscall(kListxattrat, folder, object, 0U, names, size);
      },
      [=](const char* object) { return ::listxattr(object, names, size); });
}

ssize_t get_xattr(int fd, const char* name, void* value, std::size_t size, Descriptor kind) {
  return call(
      fd, kind, [=] { return ::fgetxattr(fd, name, value, size); },
      [=](int folder, const char* object) {
        XattrArguments arguments = arguments_of(value, size, 0);
        return ::syscall(kGetxattrat, folder, object, 0U, name, &arguments, sizeof arguments);
      },
      [=](const char* object) { return ::getxattr(object, name, value, size); });
}

int set_xattr(int fd, const char* name, const void* value, std::size_t size, int flags,
              Descriptor kind) {
  return static_cast<int>(call(
      fd, kind, [=] { return ::fsetxattr(fd, name, value, size, flags); },
      [=](int folder, const char* object) {
        XattrArguments arguments = arguments_of(value, size, flags);
        return ::syscall(kSetxattrat, folder, object, 0U, name, &arguments, sizeof arguments);
      },
      [=](const char* object) { return ::setxattr(object, name, value, size, flags); }));
}

int remove_xattr(int fd, const char* name, Descriptor kind) {
  return static_cast<int>(call(
      fd, kind, [=] { return ::fremovexattr(fd, name); },
      [=](int folder, const char* object) {
        return ::syscall(kRemovexattrat, folder, object, 0U, name);
      },
      [=](const char* object) { return ::removexattr(object, name); }));
}

ssize_t list_xattrs_at(int directory, const char* entry, char* names, std::size_t size) {
  return or_errno(::syscall(kListxattrat, directory, entry, AT_SYMLINK_NOFOLLOW, names, size));
}

ssize_t get_xattr_at(int directory, const char* entry, const char* name, void* value,
                     std::size_t size) {
  XattrArguments arguments = arguments_of(value, size, 0);
  return or_errno(::syscall(kGetxattrat, directory, entry, AT_SYMLINK_NOFOLLOW, name, &arguments,
                            sizeof arguments));
}

}  // namespace mirrorfs::calls
