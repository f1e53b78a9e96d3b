#include "fs/daemon/path_checks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "fs/control/mount_table.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs {
namespace {

namespace stdfs = std::filesystem;
using Outcome = std::expected<void, std::string>;

/// `role` is the word for it: "source", "replica", "mount point".
Outcome resolve_directory(stdfs::path& path, const char* role) {
  std::error_code error;
  const stdfs::path canonical = stdfs::canonical(path, error);
  struct stat status{};
  int code = error.value();
  if (!error && stat(canonical.c_str(), &status) != 0) code = errno;
  if (code == ENOTCONN) {
    return std::unexpected(fmt::format(
        "{} '{}': the remains of a mount whose daemon is gone; remove it with: umount -l '{}'",
        role, path.native(), path.native()));
  }
  if (code == ENOENT) {
    return std::unexpected(
        fmt::format("{} '{}': no such directory; create it first", role, path.native()));
  }
  if (code != 0) {
    return std::unexpected(fmt::format("{} '{}': {}", role, path.native(), std::strerror(code)));
  }
  if (!S_ISDIR(status.st_mode)) {
    return std::unexpected(fmt::format("{} '{}': not a directory; mirrorfs works on directories",
                                       role, path.native()));
  }
  path = canonical;
  return {};
}

Outcome make_absolute(stdfs::path& path) {
  if (path.empty()) return {};
  std::error_code error;
  path = stdfs::absolute(path, error).lexically_normal();
  if (!error) return {};
  return std::unexpected(fmt::format("'{}': {}", path.native(), error.message()));
}

Outcome check_mount_point(const stdfs::path& mount_point) {
  const auto mounted = control::find_mount(mount_point.native());
  if (!mounted || !mounted->is_mirrorfs()) return {};
  return std::unexpected(
      fmt::format("mount point '{}': already a mirrorfs mount (of '{}'); unmount it first",
                  mount_point.native(), mounted->source));
}

/// A log inside a tree would change it behind the mount's back, with each of its own lines.
Outcome check_log_file(const DaemonOptions& options) {
  if (options.log_file.empty()) return {};
  std::error_code error;
  const stdfs::path log_file = stdfs::weakly_canonical(options.log_file, error);
  if (error) return {};  // opening it will report the cause
  const std::pair<const stdfs::path&, const char*> trees[] = {{options.mirror.source, "source"},
                                                              {options.mirror.replica, "replica"},
                                                              {options.mount_point, "mount point"}};
  for (const auto& [root, role] : trees) {
    const auto [rest, unused] =
        std::mismatch(root.begin(), root.end(), log_file.begin(), log_file.end());
    if (rest != root.end()) continue;
    return std::unexpected(fmt::format("log file '{}': lies inside {} '{}'; give another place",
                                       options.log_file, role, root.native()));
  }
  return {};
}

}  // namespace

/// fusermount3(1), too, opens the device with the rights of the user who calls it.
Outcome check_fuse_device() {
  constexpr const char* kDevice = "/dev/fuse";
  const UniqueFd device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (device) return {};
  const int code = errno;
  const char* const advice =
      code == EACCES
          ? "let users have the device (chmod 666 /dev/fuse, as udev does), or mount as root"
          : "load the kernel's FUSE module (modprobe fuse); a container must be given the "
            "device";
  return std::unexpected(fmt::format("{}: {}; {}", kDevice, std::strerror(code), advice));
}

Outcome resolve_paths(DaemonOptions& options) {
  MirrorOptions& mirror = options.mirror;
  if (auto outcome = resolve_directory(mirror.source, "source"); !outcome) return outcome;
  if (auto outcome = resolve_directory(mirror.replica, "replica"); !outcome) return outcome;
  if (auto outcome = resolve_directory(options.mount_point, "mount point"); !outcome) {
    return outcome;
  }
  if (auto outcome = check_mount_point(options.mount_point); !outcome) return outcome;
  mirror.mount_point = options.mount_point;
  if (auto outcome = make_absolute(mirror.state_dir); !outcome) return outcome;
  stdfs::path log_file = options.log_file;
  if (auto outcome = make_absolute(log_file); !outcome) return outcome;
  options.log_file = log_file.native();
  return check_log_file(options);
}

}  // namespace mirrorfs
