// Where the control socket of a mount is in the filesystem.
//
// One directory per user holds one socket per mount, named after the mount's path, so that
// mirrorctl finds it from the path alone and `status` without arguments finds them all.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::control {

/// "/srv/my-data" → "srv-my%2ddata.sock". Different paths have different names; a long path is cut
/// to its tail behind a hash of the whole. `mount_path` is absolute and canonical.
[[nodiscard]] std::string socket_name(std::string_view mount_path);

/// Where a daemon of the calling user puts its sockets: /run/mirrorfs for root, else
/// $XDG_RUNTIME_DIR/mirrorfs, else /tmp/mirrorfs-UID.
[[nodiscard]] std::filesystem::path own_socket_directory();

/// Everywhere mirrorctl looks: the above and, as the environment of the daemon may have been
/// another one, /run/user/UID/mirrorfs and /tmp/mirrorfs-UID. For root those of all users, its own
/// first.
[[nodiscard]] std::vector<std::filesystem::path> socket_directories_to_search();

/// Opens a socket directory. EPERM when `owner` (or root) does not own it or others may write to
/// it: everyone can write to /tmp.
[[nodiscard]] Result<UniqueFd> open_socket_directory(const std::filesystem::path& directory,
                                                     uid_t owner);

/// The same, and makes it with mode 0700 when it is missing.
[[nodiscard]] Result<UniqueFd> make_socket_directory(const std::filesystem::path& directory);

/// A sockaddr_un path (at most 107 bytes, unix(7)) for `name` in an open directory: however long
/// the directory's own path is, /proc/self/fd/N/name fits.
[[nodiscard]] std::string socket_address(int directory, std::string_view name);

}  // namespace mirrorfs::control
