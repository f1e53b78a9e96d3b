#include "engine/objects/dir_fd.h"

#include <cerrno>

#include "engine/objects/shortage.h"
#include "engine/ring/ring.h"

namespace mirrorfs::objects {

Result<DirFd> open_root(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("open", path.native());
  return DirFd(std::move(fd));
}

ring::Task<Result<DirFd>> open_dir_at(ring::Ring& ring, int dirfd, const char* name) {
  Shortages shortages;
  for (;;) {
    Result<UniqueFd> fd = co_await ring.open(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd) co_return DirFd(std::move(*fd));
    if (!is_shortage(fd.error().code)) co_return pass_on(std::move(fd));
    const bool again = co_await wait_out(ring, shortages);
    if (!again) co_return pass_on(std::move(fd));
  }
}

ring::Task<Result<UniqueFd>> open_for_reading(ring::Ring& ring, int dirfd, const char* name) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  Result<UniqueFd> fd = co_await ring.open(dirfd, name, kFlags | O_NOATIME);
  if (fd || fd.error().code != EPERM) co_return fd;
  Result<UniqueFd> plain = co_await ring.open(dirfd, name, kFlags);
  co_return plain;
}

ring::Task<Result<UniqueFd>> open_path_at(ring::Ring& ring, int dirfd, const char* name) {
  Result<UniqueFd> fd = co_await ring.open(dirfd, name, O_PATH | O_NOFOLLOW);
  co_return fd;
}

bool means_vanished(int code) {
  // ELOOP: a symlink now; ENXIO: a socket or a FIFO without reader; ENODEV: a device without
  // driver.
  return code == ENOENT || code == ELOOP || code == ENXIO || code == ENODEV || code == ENOTDIR;
}

}  // namespace mirrorfs::objects
