#include "bench/ring_watch/operation.h"

#include <fcntl.h>
#include <liburing/io_uring.h>

#include <array>
#include <string_view>

namespace mirrorfs::bench {
namespace {

// By number, from enum io_uring_op: an opcode never changes its meaning.
constexpr std::array<std::string_view, 58> kNames = {"NOP",
                                                     "READV",
                                                     "WRITEV",
                                                     "FSYNC",
                                                     "READ_FIXED",
                                                     "WRITE_FIXED",
                                                     "POLL_ADD",
                                                     "POLL_REMOVE",
                                                     "SYNC_FILE_RANGE",
                                                     "SENDMSG",
                                                     "RECVMSG",
                                                     "TIMEOUT",
                                                     "TIMEOUT_REMOVE",
                                                     "ACCEPT",
                                                     "ASYNC_CANCEL",
                                                     "LINK_TIMEOUT",
                                                     "CONNECT",
                                                     "FALLOCATE",
                                                     "OPENAT",
                                                     "CLOSE",
                                                     "FILES_UPDATE",
                                                     "STATX",
                                                     "READ",
                                                     "WRITE",
                                                     "FADVISE",
                                                     "MADVISE",
                                                     "SEND",
                                                     "RECV",
                                                     "OPENAT2",
                                                     "EPOLL_CTL",
                                                     "SPLICE",
                                                     "PROVIDE_BUFFERS",
                                                     "REMOVE_BUFFERS",
                                                     "TEE",
                                                     "SHUTDOWN",
                                                     "RENAMEAT",
                                                     "UNLINKAT",
                                                     "MKDIRAT",
                                                     "SYMLINKAT",
                                                     "LINKAT",
                                                     "MSG_RING",
                                                     "FSETXATTR",
                                                     "SETXATTR",
                                                     "FGETXATTR",
                                                     "GETXATTR",
                                                     "SOCKET",
                                                     "URING_CMD",
                                                     "SEND_ZC",
                                                     "SENDMSG_ZC",
                                                     "READ_MULTISHOT",
                                                     "WAITID",
                                                     "FUTEX_WAIT",
                                                     "FUTEX_WAKE",
                                                     "FUTEX_WAITV",
                                                     "FIXED_FD_INSTALL",
                                                     "FTRUNCATE",
                                                     "BIND",
                                                     "LISTEN"};

std::string name_of(std::uint8_t opcode) {
  if (opcode < kNames.size()) return std::string(kNames[opcode]);
  return "OPCODE_" + std::to_string(opcode);
}

/// The descriptors of operations that take no name. CLOSE of a fixed slot and fixed files are left
/// out: their number is not one of /proc/PID/fd.
std::optional<int> plain_descriptor(const io_uring_sqe& entry) {
  if ((entry.flags & IOSQE_FIXED_FILE) != 0 || entry.fd < 0) return std::nullopt;
  return entry.fd;
}

}  // namespace

Operation decode(const io_uring_sqe& entry) {
  Operation operation;
  operation.name = name_of(entry.opcode);
  operation.user_data = entry.user_data;
  switch (entry.opcode) {
    case IORING_OP_OPENAT2: operation.open_how = entry.off; [[fallthrough]];
    case IORING_OP_OPENAT:
    case IORING_OP_STATX:
    case IORING_OP_UNLINKAT:
    case IORING_OP_MKDIRAT:
      operation.names = {{entry.fd, entry.addr}};
      operation.flags = entry.statx_flags;
      break;
    case IORING_OP_RENAMEAT:
    case IORING_OP_LINKAT:
      operation.names = {{entry.fd, entry.addr}, {static_cast<int>(entry.len), entry.addr2}};
      operation.flags = entry.hardlink_flags;
      break;
    case IORING_OP_SYMLINKAT:  // addr is the target, which is not resolved
      operation.names = {{entry.fd, entry.addr2}};
      break;
    case IORING_OP_SETXATTR:
    case IORING_OP_GETXATTR: operation.names = {{AT_FDCWD, entry.addr3}}; break;
    default: operation.fd = plain_descriptor(entry);
  }
  return operation;
}

}  // namespace mirrorfs::bench
