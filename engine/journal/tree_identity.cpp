#include "engine/journal/tree_identity.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <span>
#include <vector>

namespace mirrorfs::journal {
namespace {

/// struct fsuuid2 and FS_IOC_GETFSUUID of linux/fs.h, which older headers lack.
struct FilesystemUuid {
  std::uint8_t length;
  std::array<std::uint8_t, 16> bytes;
};
constexpr unsigned long kGetUuid = _IOR(0x15, 0, FilesystemUuid);

constexpr int kMostHandleBytes = 128;  // MAX_HANDLE_SZ

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

/// An image may have been made without one: all zeros.
std::string uuid_of(int fd) {
  FilesystemUuid uuid{};
  if (::ioctl(fd, kGetUuid, &uuid) != 0) return {};
  const std::span<const std::uint8_t> bytes(uuid.bytes.data(),
                                            std::min<std::size_t>(uuid.length, uuid.bytes.size()));
  if (std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; })) return {};
  return hex(bytes);
}

std::string handle_of(int fd) {
  std::vector<std::uint8_t> storage(sizeof(file_handle) + kMostHandleBytes);
  auto* const handle = reinterpret_cast<file_handle*>(storage.data());
  handle->handle_bytes = kMostHandleBytes;
  int mount_id = 0;
  if (::name_to_handle_at(fd, "", handle, &mount_id, AT_EMPTY_PATH) != 0) return {};
  const std::span<const std::uint8_t> bytes(storage.data() + sizeof(file_handle),
                                            handle->handle_bytes);
  return fmt::format("{}:{}", handle->handle_type, hex(bytes));
}

/// Filesystems whose handle of a directory stays the same as long as the directory exists. FUSE's
/// holds the server's number of the moment, and overlayfs's that of a layer.
bool handles_last(std::uint32_t type) {
  constexpr std::array<std::uint32_t, 5> kKnown = {
      EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC, F2FS_SUPER_MAGIC};
  return std::ranges::find(kKnown, type) != kKnown.end();
}

/// A disk's own number, an image's path, a logical volume's id: a clone is on another.
std::string device_of(dev_t device) {
  constexpr std::array kPlaces = {"loop/backing_file", "dm/uuid",  "wwid",
                                  "device/wwid",       "serial",   "../wwid",
                                  "../device/wwid",    "../serial"};
  const std::string base =
      fmt::format("/sys/dev/block/{}:{}/", gnu_dev_major(device), gnu_dev_minor(device));
  for (const char* const place : kPlaces) {
    std::ifstream file(base + place);
    std::string line;
    if (!std::getline(file, line) || line.empty()) continue;
    std::ifstream partition(base + "partition");
    std::string number;
    std::getline(partition, number);
    return fmt::format("{}={}{}{}", place, line, number.empty() ? "" : "#", number);
  }
  return {};
}

bool tell_apart(const std::string& a, const std::string& b) {
  return !a.empty() && !b.empty() && a != b;
}

}  // namespace

bool TreeIdentity::same_tree(const TreeIdentity& other) const {
  if (inode != other.inode || tell_apart(filesystem, other.filesystem)) return false;
  if (overlay || other.overlay) return overlay == other.overlay;
  if (tell_apart(handle, other.handle)) return false;
  if (birth_seconds != other.birth_seconds || birth_nanoseconds != other.birth_nanoseconds) {
    return false;
  }
  // XFS derives its f_fsid from the device number, which changes.
  return birth_seconds != 0 || !filesystem.empty() || filesystem_id == other.filesystem_id;
}

bool TreeIdentity::same_filesystem(const TreeIdentity& other) const {
  if (filesystem.empty() || other.filesystem.empty()) {
    return filesystem == other.filesystem && filesystem_id == other.filesystem_id;
  }
  return filesystem == other.filesystem;
}

TreeIdentity identity_of(const TreeRoot& root) {
  TreeIdentity identity;
  identity.inode = root.metadata.ino;
  identity.birth_seconds = root.metadata.btime.tv_sec;
  identity.birth_nanoseconds = root.metadata.btime.tv_nsec;
  identity.path = root.path.string();
  identity.device = device_of(root.metadata.dev);
  constexpr std::uint64_t kMountRoot = STATX_ATTR_MOUNT_ROOT;
  identity.mount_root = (root.metadata.attributes & kMountRoot) != 0;
  identity.filesystem = uuid_of(root.fd.get());
  struct statfs filesystem{};
  if (::fstatfs(root.fd.get(), &filesystem) != 0) return identity;
  const auto type = static_cast<std::uint32_t>(filesystem.f_type);
  static_assert(sizeof filesystem.f_fsid == sizeof identity.filesystem_id);
  std::memcpy(&identity.filesystem_id, &filesystem.f_fsid, sizeof identity.filesystem_id);
  identity.overlay = type == OVERLAYFS_SUPER_MAGIC;
  if (handles_last(type)) identity.handle = handle_of(root.fd.get());
  return identity;
}

}  // namespace mirrorfs::journal
