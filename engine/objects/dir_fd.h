// Directory descriptors: the only way to a file after start-up.
#pragma once

#include <fcntl.h>

#include <filesystem>

#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::objects {

/// A directory opened for listing and as the base of other calls. Move-only. Used on the ring
/// thread; closing is a plain close(2), which for directories never blocks on the disk.
class DirFd {
 public:
  DirFd() = default;
  explicit DirFd(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  [[nodiscard]] int get() const noexcept { return fd_.get(); }
  [[nodiscard]] bool valid() const noexcept { return fd_.valid(); }

 private:
  UniqueFd fd_;
};

/// Opens the root of a tree by path: for start-up only (G7). Any thread.
[[nodiscard]] Result<DirFd> open_root(const std::filesystem::path& path);

/// The directory `name` in `dirfd`; never through a symlink (ELOOP) and never upwards. `name` must
/// outlive the task.
[[nodiscard]] ring::Task<Result<DirFd>> open_dir_at(ring::Ring& ring, int dirfd, const char* name);

/// The regular file `name` for reading: O_NONBLOCK so that a FIFO swapped in does not hang, without
/// changing its atime where that is allowed (O_NOATIME is for the owner: open(2)). The caller
/// checks the type. `name` must outlive the task.
[[nodiscard]] ring::Task<Result<UniqueFd>> open_for_reading(ring::Ring& ring, int dirfd,
                                                            const char* name);

/// Any object by O_PATH: enough for attributes, opens neither a FIFO nor a device. A symlink gives
/// the link itself. `name` must outlive the task.
[[nodiscard]] ring::Task<Result<UniqueFd>> open_path_at(ring::Ring& ring, int dirfd,
                                                        const char* name);

/// Whether an error of opening a name means that it is gone, or names an object of another type.
[[nodiscard]] bool means_vanished(int code);

}  // namespace mirrorfs::objects
