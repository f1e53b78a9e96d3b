#include "engine/objects/descriptor_calls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::objects::calls {
namespace {

// Numbers common to all architectures; not yet in this libc's headers.
constexpr long kFchmodat2 = 452;
constexpr long kSetxattrat = 463;
constexpr long kGetxattrat = 464;
constexpr long kListxattrat = 465;
constexpr long kRemovexattrat = 466;

struct XattrArguments {  // struct xattr_args of linux/xattr.h
  std::uint64_t value;
  std::uint32_t size;
  std::uint32_t flags;
};

template <class T>
T or_errno(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

std::uint64_t address(const char* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

/// "N" and "/proc/self/fd/N" of a descriptor.
class ProcName {
 public:
  explicit ProcName(int fd) {
    std::memcpy(text_, kFolder, sizeof(kFolder) - 1);
    *std::to_chars(text_ + sizeof(kFolder) - 1, text_ + sizeof(text_) - 1, fd).ptr = '\0';
  }
  [[nodiscard]] const char* path() const { return text_; }
  [[nodiscard]] const char* number() const { return text_ + sizeof(kFolder) - 1; }

  /// An open /proc/self/fd of this process; -1 without /proc. Reopened after a fork.
  [[nodiscard]] static int folder() {
    static std::mutex mutex;
    static UniqueFd descriptor;
    static std::atomic<pid_t> owner = 0;
    const pid_t self = ::getpid();
    if (owner.load(std::memory_order_acquire) != self) {
      const std::lock_guard lock(mutex);
      if (owner.load(std::memory_order_relaxed) != self) {
        descriptor.reset(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
        owner.store(self, std::memory_order_release);
      }
    }
    return descriptor.get();
  }

 private:
  static constexpr char kFolder[] = "/proc/self/fd/";
  char text_[32]{};
};

}  // namespace

void prepare() { static_cast<void>(ProcName::folder()); }

int change_owner(int fd, uid_t uid, gid_t gid) {
  if (::fchown(fd, uid, gid) == 0) return 0;
  if (errno != EBADF) return -errno;
  return or_errno(::fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

int change_mode(int fd, mode_t permissions) {
  if (::fchmod(fd, permissions) == 0) return 0;
  if (errno != EBADF) return -errno;
  if (::syscall(kFchmodat2, fd, "", permissions, AT_EMPTY_PATH) == 0) return 0;
  if (errno != ENOSYS) return -errno;
  const ProcName name(fd);
  return or_errno(::fchmodat(ProcName::folder(), name.number(), permissions, 0));
}

int change_times(int fd, const timespec (&times)[2]) {
  if (::futimens(fd, times) == 0) return 0;
  if (errno != EBADF) return -errno;
  // glibc's utimensat passes the empty name through.
  return or_errno(::utimensat(fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

ssize_t list_xattrs(int fd, char* names, std::size_t size) {
  const ssize_t direct = or_errno(::flistxattr(fd, names, size));
  if (direct != -EBADF) return direct;
  const ProcName name(fd);
  const long at =
      or_errno(::syscall(kListxattrat, ProcName::folder(), name.number(), 0U, names, size));
  return at != -ENOSYS ? at : or_errno(::listxattr(name.path(), names, size));
}

ssize_t get_xattr(int fd, const char* name, char* value, std::size_t size) {
  const ssize_t direct = or_errno(::fgetxattr(fd, name, value, size));
  if (direct != -EBADF) return direct;
  const ProcName proc(fd);
  XattrArguments arguments{address(value), static_cast<std::uint32_t>(size), 0};
  const long at = or_errno(::syscall(kGetxattrat, ProcName::folder(), proc.number(), 0U, name,
                                     &arguments, sizeof(arguments)));
  return at != -ENOSYS ? at : or_errno(::getxattr(proc.path(), name, value, size));
}

int set_xattr(int fd, const char* name, const char* value, std::size_t size) {
  const int direct = or_errno(::fsetxattr(fd, name, value, size, 0));
  if (direct != -EBADF) return direct;
  const ProcName proc(fd);
  XattrArguments arguments{address(value), static_cast<std::uint32_t>(size), 0};
  const long at = or_errno(::syscall(kSetxattrat, ProcName::folder(), proc.number(), 0U, name,
                                     &arguments, sizeof(arguments)));
  if (at != -ENOSYS) return static_cast<int>(at);
  return or_errno(::setxattr(proc.path(), name, value, size, 0));
}

int remove_xattr(int fd, const char* name) {
  const int direct = or_errno(::fremovexattr(fd, name));
  if (direct != -EBADF) return direct;
  const ProcName proc(fd);
  const long at = or_errno(::syscall(kRemovexattrat, ProcName::folder(), proc.number(), 0U, name));
  return at != -ENOSYS ? static_cast<int>(at) : or_errno(::removexattr(proc.path(), name));
}

ssize_t list_xattrs_at(int dirfd, const char* entry, char* names, std::size_t size) {
  return or_errno(::syscall(kListxattrat, dirfd, entry, AT_SYMLINK_NOFOLLOW, names, size));
}

ssize_t get_xattr_at(int dirfd, const char* entry, const char* name, char* value,
                     std::size_t size) {
  XattrArguments arguments{address(value), static_cast<std::uint32_t>(size), 0};
  return or_errno(::syscall(kGetxattrat, dirfd, entry, AT_SYMLINK_NOFOLLOW, name, &arguments,
                            sizeof(arguments)));
}

}  // namespace mirrorfs::objects::calls
