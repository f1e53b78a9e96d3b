#include "system_calls.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>

#include "simulated_time.h"

namespace mirrorfs::simulation {

std::string_view name_of(Call call) {
  static constexpr std::array<std::string_view, 26> kNames = {
      "open",      "close",    "statx",       "read",       "write",  "getdents", "mkdir",
      "mknod",     "symlink",  "readlink",    "link",       "unlink", "rename",   "truncate",
      "fallocate", "fsync",    "syncfs",      "chmod",      "chown",  "utimens",  "listxattr",
      "getxattr",  "setxattr", "removexattr", "copy-range", "other"};
  return kNames[static_cast<std::size_t>(call)];
}

namespace {

/// The call itself, unless the hooks have it fail.
template <class Real>
auto passed(Call call, int fd, const char* name, const Real& real) -> decltype(real()) {
  CallHooks* const hooks = CallScope::current();
  if (hooks == nullptr) return real();
  if (const int error = hooks->before(call, fd, name); error != 0) {
    errno = error;
    return -1;
  }
  const auto result = real();
  if (result >= 0) {
    const int kept = errno;
    hooks->after(call, fd);
    errno = kept;
  }
  return result;
}

std::size_t shortened(Call call, int fd, std::size_t size) {
  CallHooks* const hooks = CallScope::current();
  return hooks == nullptr || size == 0 ? size : hooks->shortened(call, fd, size);
}

mode_t mode_argument(int flags, va_list arguments) {
  const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return creates ? va_arg(arguments, mode_t) : 0;
}

Call kind_of(long number) {
  switch (number) {
    case SYS_openat2: return Call::kOpen;
    case SYS_getdents64: return Call::kList;
    case SYS_renameat2: return Call::kRename;
    case 452: return Call::kChmod;        // fchmodat2
    case 463: return Call::kSetXattr;     // setxattrat
    case 464: return Call::kGetXattr;     // getxattrat
    case 465: return Call::kListXattrs;   // listxattrat
    case 466: return Call::kRemoveXattr;  // removexattrat
    default: return Call::kOther;
  }
}

}  // namespace
}  // namespace mirrorfs::simulation

using mirrorfs::simulation::Call;
using mirrorfs::simulation::CallScope;
using mirrorfs::simulation::kind_of;
using mirrorfs::simulation::mode_argument;
using mirrorfs::simulation::passed;
using mirrorfs::simulation::shortened;

// The names are the linker's (ld(1), --wrap).
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {

int __real_open(const char*, int, ...);
int __real_openat(int, const char*, int, ...);
int __real_close(int);
int __real_statx(int, const char*, int, unsigned, struct statx*);
ssize_t __real_read(int, void*, std::size_t);
ssize_t __real_pread(int, void*, std::size_t, off_t);
ssize_t __real_write(int, const void*, std::size_t);
ssize_t __real_pwrite(int, const void*, std::size_t, off_t);
int __real_mkdirat(int, const char*, mode_t);
int __real_mknodat(int, const char*, mode_t, dev_t);
int __real_symlinkat(const char*, int, const char*);
ssize_t __real_readlinkat(int, const char*, char*, std::size_t);
int __real_linkat(int, const char*, int, const char*, int);
int __real_unlinkat(int, const char*, int);
int __real_renameat(int, const char*, int, const char*);
int __real_renameat2(int, const char*, int, const char*, unsigned);
int __real_ftruncate(int, off_t);
int __real_fallocate(int, int, off_t, off_t);
int __real_fsync(int);
int __real_fdatasync(int);
int __real_syncfs(int);
int __real_fchmod(int, mode_t);
int __real_fchmodat(int, const char*, mode_t, int);
int __real_fchown(int, uid_t, gid_t);
int __real_fchownat(int, const char*, uid_t, gid_t, int);
int __real_futimens(int, const timespec*);
int __real_utimensat(int, const char*, const timespec*, int);
ssize_t __real_flistxattr(int, char*, std::size_t);
ssize_t __real_fgetxattr(int, const char*, void*, std::size_t);
int __real_fsetxattr(int, const char*, const void*, std::size_t, int);
int __real_fremovexattr(int, const char*);
ssize_t __real_copy_file_range(int, off64_t*, int, off64_t*, std::size_t, unsigned);
int __real_ioctl(int, unsigned long, ...);
long __real_syscall(long, ...);
int __real_nanosleep(const timespec*, timespec*);

int __wrap_open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_argument(flags, arguments);
  va_end(arguments);
  return passed(Call::kOpen, AT_FDCWD, path, [&] { return __real_open(path, flags, mode); });
}

int __wrap_openat(int dirfd, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_argument(flags, arguments);
  va_end(arguments);
  return passed(Call::kOpen, dirfd, path, [&] { return __real_openat(dirfd, path, flags, mode); });
}

int __wrap_close(int fd) {
  auto* const hooks = CallScope::current();
  const int error = hooks == nullptr ? 0 : hooks->before(Call::kClose, fd, "");
  const int result = __real_close(fd);
  if (error == 0) return result;
  errno = error;
  return -1;
}

int __wrap_statx(int dirfd, const char* path, int flags, unsigned mask, struct statx* found) {
  return passed(Call::kStat, dirfd, path, [&] {
    const int result = __real_statx(dirfd, path, flags, mask, found);
    if (result == 0 && CallScope::current() != nullptr) CallScope::current()->adjust(*found);
    return result;
  });
}

ssize_t __wrap_read(int fd, void* buffer, std::size_t size) {
  return passed(Call::kRead, fd, "", [&] { return __real_read(fd, buffer, size); });
}

ssize_t __wrap_pread(int fd, void* buffer, std::size_t size, off_t offset) {
  return passed(Call::kRead, fd, "",
                [&] { return __real_pread(fd, buffer, shortened(Call::kRead, fd, size), offset); });
}

ssize_t __wrap_write(int fd, const void* data, std::size_t size) {
  return passed(Call::kWrite, fd, "", [&] { return __real_write(fd, data, size); });
}

ssize_t __wrap_pwrite(int fd, const void* data, std::size_t size, off_t offset) {
  return passed(Call::kWrite, fd, "",
                [&] { return __real_pwrite(fd, data, shortened(Call::kWrite, fd, size), offset); });
}

int __wrap_mkdirat(int dirfd, const char* path, mode_t mode) {
  return passed(Call::kMkdir, dirfd, path, [&] { return __real_mkdirat(dirfd, path, mode); });
}

int __wrap_mknodat(int dirfd, const char* path, mode_t mode, dev_t device) {
  return passed(Call::kMknod, dirfd, path,
                [&] { return __real_mknodat(dirfd, path, mode, device); });
}

int __wrap_symlinkat(const char* target, int dirfd, const char* path) {
  return passed(Call::kSymlink, dirfd, path, [&] { return __real_symlinkat(target, dirfd, path); });
}

ssize_t __wrap_readlinkat(int dirfd, const char* path, char* buffer, std::size_t size) {
  return passed(Call::kReadlink, dirfd, path,
                [&] { return __real_readlinkat(dirfd, path, buffer, size); });
}

int __wrap_linkat(int from, const char* name, int to, const char* new_name, int flags) {
  return passed(Call::kLink, to, new_name,
                [&] { return __real_linkat(from, name, to, new_name, flags); });
}

int __wrap_unlinkat(int dirfd, const char* path, int flags) {
  return passed(Call::kUnlink, dirfd, path, [&] { return __real_unlinkat(dirfd, path, flags); });
}

int __wrap_renameat(int from, const char* name, int to, const char* new_name) {
  return passed(Call::kRename, to, new_name,
                [&] { return __real_renameat(from, name, to, new_name); });
}

int __wrap_renameat2(int from, const char* name, int to, const char* new_name, unsigned flags) {
  return passed(Call::kRename, to, new_name,
                [&] { return __real_renameat2(from, name, to, new_name, flags); });
}

int __wrap_ftruncate(int fd, off_t size) {
  return passed(Call::kTruncate, fd, "", [&] { return __real_ftruncate(fd, size); });
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t length) {
  return passed(Call::kAllocate, fd, "",
                [&] { return __real_fallocate(fd, mode, offset, length); });
}

int __wrap_fsync(int fd) {
  return passed(Call::kSync, fd, "", [&] { return __real_fsync(fd); });
}

int __wrap_fdatasync(int fd) {
  return passed(Call::kSync, fd, "", [&] { return __real_fdatasync(fd); });
}

int __wrap_syncfs(int fd) {
  return passed(Call::kSyncFilesystem, fd, "", [&] { return __real_syncfs(fd); });
}

int __wrap_fchmod(int fd, mode_t mode) {
  return passed(Call::kChmod, fd, "", [&] { return __real_fchmod(fd, mode); });
}

int __wrap_fchmodat(int dirfd, const char* path, mode_t mode, int flags) {
  return passed(Call::kChmod, dirfd, path,
                [&] { return __real_fchmodat(dirfd, path, mode, flags); });
}

int __wrap_fchown(int fd, uid_t uid, gid_t gid) {
  return passed(Call::kChown, fd, "", [&] { return __real_fchown(fd, uid, gid); });
}

int __wrap_fchownat(int dirfd, const char* path, uid_t uid, gid_t gid, int flags) {
  return passed(Call::kChown, dirfd, path,
                [&] { return __real_fchownat(dirfd, path, uid, gid, flags); });
}

int __wrap_futimens(int fd, const timespec* times) {
  return passed(Call::kSetTimes, fd, "", [&] { return __real_futimens(fd, times); });
}

int __wrap_utimensat(int dirfd, const char* path, const timespec* times, int flags) {
  return passed(Call::kSetTimes, dirfd, path,
                [&] { return __real_utimensat(dirfd, path, times, flags); });
}

ssize_t __wrap_flistxattr(int fd, char* names, std::size_t size) {
  return passed(Call::kListXattrs, fd, "", [&] { return __real_flistxattr(fd, names, size); });
}

ssize_t __wrap_fgetxattr(int fd, const char* name, void* value, std::size_t size) {
  return passed(Call::kGetXattr, fd, name, [&] { return __real_fgetxattr(fd, name, value, size); });
}

int __wrap_fsetxattr(int fd, const char* name, const void* value, std::size_t size, int flags) {
  return passed(Call::kSetXattr, fd, name,
                [&] { return __real_fsetxattr(fd, name, value, size, flags); });
}

int __wrap_fremovexattr(int fd, const char* name) {
  return passed(Call::kRemoveXattr, fd, name, [&] { return __real_fremovexattr(fd, name); });
}

ssize_t __wrap_copy_file_range(int from, off64_t* from_at, int to, off64_t* to_at, std::size_t size,
                               unsigned flags) {
  return passed(Call::kClone, to, "", [&] {
    return __real_copy_file_range(from, from_at, to, to_at, shortened(Call::kWrite, to, size),
                                  flags);
  });
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return passed(Call::kClone, fd, "", [&] { return __real_ioctl(fd, request, argument); });
}

long __wrap_syscall(long number, ...) {
  va_list arguments;
  va_start(arguments, number);
  std::array<long, 6> words{};
  for (long& word : words) word = va_arg(arguments, long);
  va_end(arguments);
  const auto& [a, b, c, d, e, f] = words;
  const Call call = kind_of(number);
  const auto real = [&] { return __real_syscall(number, a, b, c, d, e, f); };
  if (call == Call::kOther) return real();
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  const char* const name = call == Call::kList ? "" : reinterpret_cast<const char*>(b);
  return passed(call, static_cast<int>(a), name, real);
}

int __wrap_nanosleep(const timespec* wanted, timespec* left) {
  using mirrorfs::simulation::SimulatedTime;
  if (!SimulatedTime::running()) return __real_nanosleep(wanted, left);
  SimulatedTime::advance(std::chrono::seconds(wanted->tv_sec) +
                         std::chrono::nanoseconds(wanted->tv_nsec));
  return 0;
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
