// What was written through shared mappings is in the mount's page cache until the kernel writes it
// back.
#pragma once

#include <filesystem>

namespace mirrorfs::ctl {

/// Has the kernel write back the pages of all files that are open for reading and writing, and
/// waits for it, so that the daemon knows of them. Opening them by the kernel's numbers takes
/// CAP_DAC_READ_SEARCH (open_by_handle_at(2)): for others, and while the mirror is paused or its
/// mode is sync, where a write may not end, it does nothing.
///
/// syncfs(2) of the mount would not do: for FUSE it starts the work and does not wait for it (Linux
/// 6.18, SB_I_NO_DATA_INTEGRITY).
void write_back_mapped_pages(const std::filesystem::path& mount);

}  // namespace mirrorfs::ctl
