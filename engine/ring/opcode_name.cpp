#include "engine/ring/opcode_name.h"

#include <liburing.h>

namespace mirrorfs::ring {

std::string opcode_name(std::size_t opcode) {
  switch (opcode) {
    case IORING_OP_READ: return "read";
    case IORING_OP_WRITE: return "write";
    case IORING_OP_FSYNC: return "fsync";
    case IORING_OP_FALLOCATE: return "fallocate";
    case IORING_OP_OPENAT2: return "openat2";
    case IORING_OP_CLOSE: return "close";
    case IORING_OP_STATX: return "statx";
    case IORING_OP_FADVISE: return "fadvise";
    case IORING_OP_RENAMEAT: return "renameat";
    case IORING_OP_UNLINKAT: return "unlinkat";
    case IORING_OP_MKDIRAT: return "mkdirat";
    case IORING_OP_SYMLINKAT: return "symlinkat";
    case IORING_OP_LINKAT: return "linkat";
    case IORING_OP_FSETXATTR: return "fsetxattr";
    case IORING_OP_FGETXATTR: return "fgetxattr";
    case IORING_OP_FTRUNCATE: return "ftruncate";
    case IORING_OP_NOP: return "nop";
    case IORING_OP_OPENAT: return "openat";
    default: return "opcode " + std::to_string(opcode);
  }
}

}  // namespace mirrorfs::ring
