#include "fs/session/features.h"

#include <cstdint>

#include "mirrorfs/log.h"

namespace mirrorfs::fs {
namespace {

constexpr unsigned kMostBackground = 64;

/// WRITEBACK_CACHE stays off: the death of the daemon would lose completed writes.
constexpr struct {
  std::uint64_t bit;
  const char* lost;  ///< what is not as below when the kernel lacks it; null: nothing to tell
} kWanted[] = {
    {FUSE_CAP_DONT_MASK, "default ACLs do not override the umask"},
    {FUSE_CAP_POSIX_ACL, "POSIX ACLs are not enforced"},
    {FUSE_CAP_HANDLE_KILLPRIV_V2, "every write asks for security.capability first"},
    {FUSE_CAP_ATOMIC_O_TRUNC, nullptr},
    {FUSE_CAP_PARALLEL_DIROPS, nullptr},
    {FUSE_CAP_ASYNC_DIO, nullptr},
    {FUSE_CAP_CACHE_SYMLINKS, nullptr},
};

/// libfuse sets these by itself. It opens /proc/sys/fs/pipe-max-size by its path for each pipe
/// (G7), and what is written is needed in memory anyway, for the replica.
constexpr std::uint64_t kUnwanted[] = {FUSE_CAP_SPLICE_READ, FUSE_CAP_SPLICE_WRITE,
                                       FUSE_CAP_SPLICE_MOVE};

}  // namespace

Transport request_features(fuse_conn_info& connection, Transport wanted) {
  for (const auto& feature : kWanted) {
    const bool have = fuse_set_feature_flag(&connection, feature.bit);
    if (!have && feature.lost != nullptr) log_warn("this kernel's FUSE: {}", feature.lost);
  }
  for (const std::uint64_t bit : kUnwanted) fuse_unset_feature_flag(&connection, bit);
  connection.time_gran = 1;
  connection.max_background = kMostBackground;
  connection.no_interrupt = 1;  // no request of ours waits for an event that may never come
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  if (wanted == Transport::kUring && fuse_get_feature_flag(&connection, FUSE_CAP_OVER_IO_URING)) {
    return Transport::kUring;
  }
  fuse_unset_feature_flag(&connection, FUSE_CAP_OVER_IO_URING);
#else
  (void)wanted;
#endif
  return Transport::kDevice;
}

bool request_passthrough(fuse_conn_info& connection) {
  if (!fuse_set_feature_flag(&connection, FUSE_CAP_PASSTHROUGH)) return false;
  connection.max_backing_stack_depth = FUSE_BACKING_STACKED_UNDER;
  return true;
}

}  // namespace mirrorfs::fs
