// Whether a filesystem keeps exactly the attributes that it is given, so that they need not be
// looked at after they were set.
#pragma once

#include <time.h>

#include <string_view>

namespace mirrorfs::fs {

/// By the magic number of statfs(2): filesystems that take any mode and owner of the ordinary kind
/// as given. Others may map or ignore what they accept (vfat, CIFS, FUSE). None of these has a
/// flush operation (struct file_operations): close(2) never fails for what was written.
[[nodiscard]] bool keeps_attributes(long filesystem_type);
/// The same of the filesystem of `root`.
[[nodiscard]] bool keeps_attributes(int root);

/// A time that a filesystem has stamped itself and that shows it to keep nanoseconds: the coarser
/// granularities (s_time_gran: 100 ns, 1 s, 2 s; ext4 with small inodes) are multiples of 10 ns.
[[nodiscard]] bool shows_nanoseconds(const timespec& stamped);

/// A change after a look at ctime moves it, however soon (multigrain timestamps): on the
/// filesystems of keeps_attributes(), where they show nanoseconds.
[[nodiscard]] bool stamps_finely(std::string_view kernel_release);
[[nodiscard]] bool kernel_stamps_finely();

/// Within what any filesystem with nanoseconds can hold: the shortest range is that of XFS without
/// bigtime, 1901 to 2038.
[[nodiscard]] bool is_within_every_range(const timespec& time);

}  // namespace mirrorfs::fs
