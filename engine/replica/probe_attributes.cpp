// Modes, owners, extended attributes, ACLs; what of a symlink's can be set.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "engine/replica/probe_steps.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::replica {
namespace {

bool keeps_mode(int fd, mode_t permissions) {
  const int result = calls::change_mode(fd, permissions);
  if (result != 0) return !means_lacking(-result);
  struct stat status{};
  return ::fstat(fd, &status) == 0 && (status.st_mode & 07777) == permissions;
}

/// A user that this process cannot name (EINVAL, in a user namespace) is not lost.
bool keeps_owner(int fd, const objects::Rights& rights) {
  struct stat before{};
  if (!rights.change_owner || ::fstat(fd, &before) != 0) return true;
  const uid_t uid = before.st_uid == 1 ? 2 : 1;
  const gid_t gid = before.st_gid == 1 ? 2 : 1;
  const int result = calls::change_owner(fd, uid, gid);
  if (result == -EINVAL) return true;
  if (result != 0) return !means_lacking(-result) && result != -EACCES;
  struct stat after{};
  return ::fstat(fd, &after) == 0 && after.st_uid == uid && after.st_gid == gid;
}

enum class Kept : std::uint8_t { kYes, kNo, kNotAllowed };

Kept keeps_xattr(int fd, const char* name, std::string_view value) {
  const int result = calls::set_xattr(fd, name, value.data(), value.size());
  if (result == -EPERM || result == -EACCES) return Kept::kNotAllowed;
  if (result != 0) return means_lacking(-result) ? Kept::kNo : Kept::kYes;
  std::array<char, 128> read{};
  const ssize_t size = calls::get_xattr(fd, name, read.data(), read.size());
  return size == static_cast<ssize_t>(value.size()) &&
                 std::memcmp(read.data(), value.data(), value.size()) == 0
             ? Kept::kYes
             : Kept::kNo;
}

/// "user::rw-, user:ME:r--, group::r--, mask::r--, other::---", as the kernel has it
/// (linux/posix_acl_xattr.h, little endian).
std::string small_acl() {
  struct Entry {
    std::uint16_t tag, permissions;
    std::uint32_t id;
  };
  constexpr std::uint32_t kVersion = 2;
  constexpr std::uint32_t kNobody = 0xffffffff;
  const std::array<Entry, 5> entries = {{{0x01, 6, kNobody},
                                         {0x02, 4, ::geteuid()},
                                         {0x04, 4, kNobody},
                                         {0x10, 4, kNobody},
                                         {0x20, 0, kNobody}}};
  std::string bytes;
  const auto add = [&bytes](std::uint32_t number, int size) {
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(number >> (8 * i) & 0xffU);
  };
  add(kVersion, 4);
  for (const Entry& entry : entries) {
    add(entry.tag, 2);
    add(entry.permissions, 2);
    add(entry.id, 4);
  }
  return bytes;
}

/// CAP_NET_BIND_SERVICE permitted (capabilities(7), version 2).
std::string small_capability() {
  std::string bytes(20, '\0');
  bytes[3] = 2;
  bytes[5] = 4;
  return bytes;
}

}  // namespace

void probe_modes(int fd, Capabilities& found) {
  found.modes = keeps_mode(fd, 0640) && keeps_mode(fd, 0751);
}

void probe_owners(int fd, const objects::Rights& rights, Capabilities& found) {
  found.owners = keeps_owner(fd, rights);
}

/// Of one that leads to a file, which a call that follows it would change instead.
void probe_symlink_attributes(int folder, const objects::Rights& rights, Capabilities& found) {
  const UniqueFd target = make_probe_file(folder, "led to");
  if (!target || ::symlinkat("led to", folder, "leads") != 0) return;
  const UniqueFd leads(calls::open_beneath(folder, "leads", O_PATH | O_NOFOLLOW));
  if (!leads) return;
  if (found.owners) found.symlink_owners = keeps_owner(leads.get(), rights);
  if (found.times.settable) found.symlink_times = keeps_times(leads.get(), found.times);
}

/// What this process may not set it does not mirror.
void probe_xattrs(int fd, const objects::Rights& rights, Capabilities& found) {
  found.acls = keeps_xattr(fd, "system.posix_acl_access", small_acl()) != Kept::kNo;
  found.user_xattrs = keeps_xattr(fd, "user.mirrorfs", "probe") == Kept::kYes;
  if (!rights.trusted_xattrs) return;
  found.trusted_xattrs = keeps_xattr(fd, "trusted.mirrorfs", "probe") != Kept::kNo;
  found.security_xattrs = keeps_xattr(fd, "security.mirrorfs", "probe") != Kept::kNo;
  found.file_capabilities = keeps_xattr(fd, "security.capability", small_capability()) != Kept::kNo;
}

}  // namespace mirrorfs::replica
