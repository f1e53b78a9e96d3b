// Keeping (inode number, birth time) the name of one object only.
//
// Many filesystems give the inode number of a deleted object to the next one at once. If that is
// born in the same tick of the clock for file times (1 to 10 ms) as the deleted one was, both have
// the same ObjectId. Since Linux 6.13 some stamp times finely once they have been looked at,
// which mirrorfs does with everything it makes, so that the birth of the next is always later.
#pragma once

#include <time.h>

namespace mirrorfs::fs {

/// Whether two objects of a filesystem of this type (statfs(2)) may get the same identity under a
/// kernel of this release (uname(2), "6.12.3-amd64"). Unknown types may.
[[nodiscard]] bool may_repeat_identity(long filesystem_type, const char* kernel_release);
/// The same for the filesystem behind `root` and the running kernel.
[[nodiscard]] bool may_repeat_identity(int root);

/// Sleeps until objects that are made from now on have a later birth time: a tick at most.
void wait_until_after(const timespec& birth);

}  // namespace mirrorfs::fs
