#include "engine/ring/direct_call.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace mirrorfs::ring {
namespace {

template <class T>
T* pointer(std::uint64_t value) {
  return reinterpret_cast<T*>(static_cast<std::uintptr_t>(value));
}

const char* text(std::uint64_t value) { return pointer<const char>(value); }

// The fields of a request are named for their first use; see io_uring_enter(2) and the
// io_uring_prep_* functions for what each opcode keeps where.
long call(const io_uring_sqe& sqe) {
  const auto offset = static_cast<off_t>(sqe.off);
  const int second_fd = static_cast<int>(sqe.len);
  switch (sqe.opcode) {
    case IORING_OP_OPENAT2:
      return ::syscall(SYS_openat2, sqe.fd, text(sqe.addr), pointer<void>(sqe.addr2),
                       static_cast<std::size_t>(sqe.len));
    case IORING_OP_STATX:
      return ::statx(sqe.fd, text(sqe.addr), static_cast<int>(sqe.statx_flags), sqe.len,
                     pointer<struct statx>(sqe.off));
    case IORING_OP_READ: return ::pread(sqe.fd, pointer<void>(sqe.addr), sqe.len, offset);
    case IORING_OP_WRITE: return ::pwrite(sqe.fd, pointer<void>(sqe.addr), sqe.len, offset);
    case IORING_OP_FALLOCATE:
      return ::fallocate(sqe.fd, static_cast<int>(sqe.len), offset, static_cast<off_t>(sqe.addr));
    case IORING_OP_FTRUNCATE: return ::ftruncate(sqe.fd, offset);
    case IORING_OP_FSYNC:
      return (sqe.fsync_flags & IORING_FSYNC_DATASYNC) != 0 ? ::fdatasync(sqe.fd) : ::fsync(sqe.fd);
    case IORING_OP_FADVISE:
      errno = ::posix_fadvise(sqe.fd, offset, static_cast<off_t>(sqe.addr),
                              static_cast<int>(sqe.fadvise_advice));
      return errno == 0 ? 0 : -1;
    case IORING_OP_CLOSE: return ::close(sqe.fd);
    case IORING_OP_MKDIRAT: return ::mkdirat(sqe.fd, text(sqe.addr), sqe.len);
    case IORING_OP_UNLINKAT:
      return ::unlinkat(sqe.fd, text(sqe.addr), static_cast<int>(sqe.unlink_flags));
    case IORING_OP_RENAMEAT:
      return ::syscall(SYS_renameat2, sqe.fd, text(sqe.addr), second_fd, text(sqe.addr2),
                       sqe.rename_flags);
    case IORING_OP_LINKAT:
      return ::linkat(sqe.fd, text(sqe.addr), second_fd, text(sqe.addr2),
                      static_cast<int>(sqe.hardlink_flags));
    case IORING_OP_SYMLINKAT: return ::symlinkat(text(sqe.addr), sqe.fd, text(sqe.addr2));
    case IORING_OP_FGETXATTR:
      return ::fgetxattr(sqe.fd, text(sqe.addr), pointer<void>(sqe.addr2), sqe.len);
    case IORING_OP_FSETXATTR:
      return ::fsetxattr(sqe.fd, text(sqe.addr), pointer<void>(sqe.addr2), sqe.len,
                         static_cast<int>(sqe.xattr_flags));
    default: errno = EINVAL; return -1;
  }
}

}  // namespace

int call_directly(const io_uring_sqe& request) noexcept {
  const long result = call(request);
  return result < 0 ? -errno : static_cast<int>(result);
}

}  // namespace mirrorfs::ring
