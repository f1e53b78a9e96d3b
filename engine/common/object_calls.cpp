#include "mirrorfs/object_calls.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <mutex>

namespace mirrorfs::calls {
namespace {

constexpr long kFchmodat2 = 452;  // not yet in this libc's headers; common to all architectures

template <class T>
T or_errno(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

std::mutex folder_mutex;
std::atomic<int> folder = -1;

/// In the child of a fork, which has one thread: /proc/self/fd of the parent is not its own.
void forget_folder() {
  const int old = folder.exchange(-1);
  if (old >= 0) ::close(old);
}

int opened_folder() {
  const std::lock_guard lock(folder_mutex);
  if (folder.load(std::memory_order_relaxed) >= 0) return folder.load(std::memory_order_relaxed);
  static const int watched = ::pthread_atfork(nullptr, nullptr, forget_folder);
  if (watched != 0) return -watched;
  const int fd = ::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  folder.store(fd, std::memory_order_release);
  return fd;
}

}  // namespace

Result<void> prepare() {
  const int fd = opened_folder();
  if (fd < 0) return fail(-fd, "open", "/proc/self/fd");
  return {};
}

int process_folder() {
  const int fd = folder.load(std::memory_order_acquire);
  return fd >= 0 ? fd : opened_folder();
}

DescriptorName::DescriptorName(int fd) {
  const auto end = std::to_chars(text_, text_ + sizeof text_ - 1, fd);
  *end.ptr = '\0';
}

int open_beneath(int directory, const char* name, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
  how.mode = mode;
  how.resolve = kBeneath;
  for (;;) {
    const long fd = ::syscall(SYS_openat2, directory, name, &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    // openat2(2): a rename or mount somewhere raced with RESOLVE_BENEATH; try again.
    if (errno != EAGAIN && errno != EINTR) return -errno;
  }
}

int reopen(int fd, int flags) {
  const DescriptorName name(fd);
  return or_errno(::openat(process_folder(), name.c_str(), (flags & ~O_NOFOLLOW) | O_CLOEXEC));
}

// By descriptor and an empty name, which O_PATH descriptors take too: fchown(2) and futimens(3)
// would fail on those first.
int change_owner(int fd, uid_t uid, gid_t gid) {
  return or_errno(::fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

int change_mode(int fd, mode_t permissions) {
  if (::fchmod(fd, permissions) == 0) return 0;
  if (errno != EBADF) return -errno;
  if (::syscall(kFchmodat2, fd, "", permissions, AT_EMPTY_PATH) == 0) return 0;
  if (errno != ENOSYS) return -errno;
  const DescriptorName name(fd);
  return or_errno(::fchmodat(process_folder(), name.c_str(), permissions, 0));
}

int change_times(int fd, const timespec (&times)[2]) {
  // glibc's utimensat passes the empty name through.
  return or_errno(::utimensat(fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

}  // namespace mirrorfs::calls
