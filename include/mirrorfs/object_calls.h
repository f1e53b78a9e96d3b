// System calls on one object, named by (directory descriptor, single name) or by a descriptor that
// may be O_PATH. What fs and engine share: G7 rests on this file, and on the ring's own openat2.
//
// fchmod(2), fgetxattr(2) and their like refuse O_PATH descriptors, and an absolute path below
// /proc would be a resolution from the root. So an object is named by the number of its descriptor
// in an open /proc/self/fd, through the *at calls (fchmodat2: Linux 6.6; *xattrat: Linux 6.13).
// Where the kernel lacks the latter, the calling thread gets a working directory of its own, that
// folder (unshare(2), CLONE_FS).
//
// Results are the call's, or -errno: most "failures" here are ordinary answers, such as ENODATA.
// Safe from any thread, but for prepare().
#pragma once

#include <linux/openat2.h>
#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <cstdint>

#include "mirrorfs/error.h"

namespace mirrorfs::calls {

/// G7: a name opened below a directory never leads out of it, nor through a symlink. A symlink
/// itself can be opened with O_PATH | O_NOFOLLOW (openat2(2)).
inline constexpr std::uint64_t kBeneath =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

/// Opens /proc/self/fd by its path: at start, and again after a fork, before there are threads.
[[nodiscard]] Result<void> prepare();
/// That folder. Opened at the first use if prepare() was not called; negative without /proc.
[[nodiscard]] int process_folder();

/// "123", the name of descriptor 123 in process_folder().
class DescriptorName {
 public:
  explicit DescriptorName(int fd);
  [[nodiscard]] const char* c_str() const { return text_; }

 private:
  char text_[12];
};

/// A descriptor, negative on failure. O_CLOEXEC and O_NOFOLLOW are added.
[[nodiscard]] int open_beneath(int directory, const char* name, int flags, mode_t mode = 0);
/// Opens the object behind an O_PATH descriptor with access. For regular files and directories
/// only: opening a FIFO or a device has effects of its own.
[[nodiscard]] int reopen(int fd, int flags);

[[nodiscard]] int change_owner(int fd, uid_t uid, gid_t gid);
/// Never for symlinks, whose mode is fixed.
[[nodiscard]] int change_mode(int fd, mode_t permissions);
[[nodiscard]] int change_times(int fd, const timespec (&times)[2]);

/// Whether the ordinary call on a descriptor is tried first, which O_PATH descriptors refuse.
enum class Descriptor { kAny, kPath };

[[nodiscard]] ssize_t list_xattrs(int fd, char* names, std::size_t size,
                                  Descriptor kind = Descriptor::kAny);
[[nodiscard]] ssize_t get_xattr(int fd, const char* name, void* value, std::size_t size,
                                Descriptor kind = Descriptor::kAny);
/// `flags`: XATTR_CREATE, XATTR_REPLACE.
[[nodiscard]] int set_xattr(int fd, const char* name, const void* value, std::size_t size,
                            int flags = 0, Descriptor kind = Descriptor::kAny);
[[nodiscard]] int remove_xattr(int fd, const char* name, Descriptor kind = Descriptor::kAny);

/// Of `entry` in `directory`, not following a symlink. -ENOSYS before Linux 6.13.
[[nodiscard]] ssize_t list_xattrs_at(int directory, const char* entry, char* names,
                                     std::size_t size);
[[nodiscard]] ssize_t get_xattr_at(int directory, const char* entry, const char* name, void* value,
                                   std::size_t size);

}  // namespace mirrorfs::calls
