// The attribute calls that have no opcode, in the form that works for every kind of object.
//
// fchmod, fchown, f*xattr refuse O_PATH descriptors (EBADF), the only ones a symlink, FIFO, socket
// or device can have here. The *at calls with AT_EMPTY_PATH take them (fchownat: Linux 2.6.39,
// utimensat: 5.8, fchmodat2: 6.6); xattr calls have no such form and go through the descriptor's
// name in an open /proc/self/fd. All return 0 or more, or -errno.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstddef>

namespace mirrorfs::objects::calls {

/// Opens what the others need, by its path: to be called at start, after the last fork (G7).
void prepare();

[[nodiscard]] int change_owner(int fd, uid_t uid, gid_t gid);
[[nodiscard]] int change_mode(int fd, mode_t permissions);
[[nodiscard]] int change_times(int fd, const timespec (&times)[2]);

[[nodiscard]] ssize_t list_xattrs(int fd, char* names, std::size_t size);
[[nodiscard]] ssize_t get_xattr(int fd, const char* name, char* value, std::size_t size);
[[nodiscard]] int set_xattr(int fd, const char* name, const char* value, std::size_t size);
[[nodiscard]] int remove_xattr(int fd, const char* name);

/// Of `entry` in `dirfd`, not following a symlink. -ENOSYS before Linux 6.13.
[[nodiscard]] ssize_t list_xattrs_at(int dirfd, const char* entry, char* names, std::size_t size);
[[nodiscard]] ssize_t get_xattr_at(int dirfd, const char* entry, const char* name, char* value,
                                   std::size_t size);

}  // namespace mirrorfs::objects::calls
