#include "engine/replica/probe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/objects/filesystem_types.h"
#include "engine/objects/listing.h"
#include "engine/objects/xattrs.h"
#include "engine/replica/probe_steps.h"
#include "mirrorfs/log.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::replica {
namespace {

constexpr const char* kFolder = "probe";
constexpr timespec kOdd{.tv_sec = 1, .tv_nsec = 1};

/// Local filesystems that either take an attribute as it is or refuse it. Of others, whose
/// attributes a server or a driver maps, that is not known for every value.
constexpr std::array<std::uint32_t, 9> kExact = {
    EXT4_SUPER_MAGIC,   XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC,
    TMPFS_MAGIC,        F2FS_SUPER_MAGIC,      RAMFS_MAGIC,
    objects::kZfsMagic, OVERLAYFS_SUPER_MAGIC, objects::kBcachefsMagic};

bool is_exact(int folder, const Capabilities& found) {
  struct statfs filesystem{};
  if (::fstatfs(folder, &filesystem) != 0) return false;
  const auto type = static_cast<std::uint32_t>(filesystem.f_type);
  return found.owners && found.modes && found.times.settable && found.symlink_owners &&
         found.symlink_times && std::ranges::find(kExact, type) != kExact.end();
}

UniqueFd open_folder(int reserved_directory) {
  return UniqueFd(calls::open_beneath(reserved_directory, kFolder, O_RDONLY | O_DIRECTORY));
}

bool has_xattrs(int fd, const char* name) {
  const ssize_t got = calls::get_xattr(fd, name, nullptr, 0);
  return got >= 0 || got == -ENODATA || got == -ERANGE;
}

/// "owners and modes", "owners, modes and times".
std::string in_words(const Losses& losses, const Capabilities& found) {
  std::vector<std::string_view> parts;
  for (const Loss loss : kAllLosses) {
    if (!losses.contains(loss)) continue;
    switch (loss) {
      case Loss::kOwner: parts.emplace_back(found.owners ? "owners of symlinks" : "owners"); break;
      case Loss::kMode: parts.emplace_back("modes"); break;
      case Loss::kXattr: parts.emplace_back("all extended attributes"); break;
      case Loss::kAcl: parts.emplace_back("ACLs"); break;
      case Loss::kTimes:
        parts.emplace_back(found.times.holds(kOdd) ? "times of symlinks" : "times in nanoseconds");
        break;
      case Loss::kLinks: parts.emplace_back("hard links"); break;
      case Loss::kSpecial: parts.emplace_back("symlinks, FIFOs, sockets or devices"); break;
    }
  }
  std::string text(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    text += i + 1 == parts.size() ? " or " : ", ";
    text += parts[i];
  }
  return text;
}

}  // namespace

void remove_probe(int reserved_directory) {
  const UniqueFd folder = open_folder(reserved_directory);
  if (!folder) return;
  const auto left = objects::list_directory_now(folder.get());
  if (left) {
    for (const objects::Dirent& entry : *left) ::unlinkat(folder.get(), entry.name.c_str(), 0);
  }
  if (::unlinkat(reserved_directory, kFolder, AT_REMOVEDIR) != 0) {
    log_debug("{} cannot be removed from the replica: {}", kFolder,
              fail_errno("unlinkat").error().message());
  }
}

Result<Capabilities> probe(int reserved_directory, const objects::Rights& rights) {
  remove_probe(reserved_directory);
  if (::mkdirat(reserved_directory, kFolder, 0700) != 0 && errno != EEXIST) {
    return fail_errno("mkdirat", kFolder);
  }
  const UniqueFd folder = open_folder(reserved_directory);
  if (!folder) return fail(-folder.get(), "openat2", kFolder);
  Capabilities found;
  {
    const UniqueFd file = make_probe_file(folder.get(), "file");
    const UniqueFd owned = make_probe_file(folder.get(), "owned");
    if (!file || !owned) {
      const int error = errno;
      remove_probe(reserved_directory);
      return fail(error, "openat2", "probe/file");
    }
    probe_names(folder.get(), found);
    probe_objects(folder.get(), rights, found);
    probe_content(folder.get(), found);
    probe_modes(file.get(), found);
    probe_xattrs(file.get(), rights, found);
    probe_times(file.get(), found);
    probe_owners(owned.get(), rights, found);
    if (found.symlinks) probe_symlink_attributes(folder.get(), rights, found);
  }
  found.exact = is_exact(folder.get(), found);
  remove_probe(reserved_directory);
  return found;
}

/// By looks that change nothing: what the source cannot have is not lost.
Losses losses_that_matter(const Capabilities& replica, int source_root,
                          const objects::Rights& rights) {
  Capabilities wanted = replica;
  const auto lacks = [&](const char* name) { return !has_xattrs(source_root, name); };
  if (lacks("user.mirrorfs")) wanted.user_xattrs = true;
  if (!rights.trusted_xattrs || lacks("trusted.mirrorfs")) wanted.trusted_xattrs = true;
  if (!rights.trusted_xattrs || lacks("security.capability")) {
    wanted.security_xattrs = wanted.file_capabilities = true;
  }
  if (lacks("system.posix_acl_access")) wanted.acls = true;
  if (!rights.change_owner) wanted.owners = wanted.symlink_owners = true;
  return wanted.losses();
}

std::expected<std::optional<Capabilities>, std::string> examine(const Examination& what) {
  const objects::Rights rights = objects::Rights::current();
  std::optional<Capabilities> found = what.known;
  if (found && losses_that_matter(*found, what.source_root, rights).none()) {
    remove_probe(what.reserved_directory);
    return found;
  }
  auto asked = probe(what.reserved_directory, rights);
  if (!asked) {
    log_warn("what the replica's filesystem can hold cannot be asked for now: {}",
             asked.error().message());
    return found;
  }
  found = *asked;
  const Losses lost = losses_that_matter(*found, what.source_root, rights).without(what.tolerated);
  if (lost.none()) return found;
  return std::unexpected(
      fmt::format("replica '{}': its filesystem cannot hold {}: take another, or accept that with "
                  "--tolerate={}",
                  what.replica_path, in_words(lost, *found), lost.text()));
}

}  // namespace mirrorfs::replica
