// Names, objects other than files, content.
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "engine/objects/listing.h"
#include "engine/replica/probe_steps.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::replica {
namespace {

constexpr std::size_t kLongestName = 255;

bool exists(int folder, const char* name) {
  struct stat status{};
  return ::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool can_make(int folder, const std::string& name) {
  const bool made = make_probe_file(folder, name.c_str()).valid();
  if (made) ::unlinkat(folder, name.c_str(), 0);
  return made || !means_lacking(errno);
}

/// And has it under this very name.
bool keeps_name(int folder, const std::string& name) {
  if (!make_probe_file(folder, name.c_str())) return !means_lacking(errno);
  const auto listed = objects::list_directory_now(folder);
  ::unlinkat(folder, name.c_str(), 0);
  return !listed || std::ranges::find(*listed, name, &objects::Dirent::name) != listed->end();
}

std::uint32_t longest_name(int folder) {
  std::size_t good = 8;
  std::size_t bad = kLongestName + 1;
  if (can_make(folder, std::string(kLongestName, 'n'))) return kLongestName;
  while (bad - good > 1) {
    const std::size_t middle = (good + bad) / 2;
    (can_make(folder, std::string(middle, 'n')) ? good : bad) = middle;
  }
  return static_cast<std::uint32_t>(good);
}

bool probe_symlink(int folder) {
  constexpr std::string_view kTarget = "no/such target";
  if (::symlinkat(kTarget.data(), folder, "symlink") != 0) return !means_lacking(errno);
  char read[64];
  const ssize_t size = ::readlinkat(folder, "symlink", read, sizeof read);
  return size > 0 && std::string_view(read, static_cast<std::size_t>(size)) == kTarget;
}

bool probe_special(int folder, const char* name, mode_t type, dev_t device) {
  if (::mknodat(folder, name, type | 0600, device) != 0) return !means_lacking(errno);
  struct stat status{};
  return ::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         (status.st_mode & S_IFMT) == type;
}

bool probe_link(int folder) {
  if (::linkat(folder, "file", folder, "link", 0) != 0) return !means_lacking(errno);
  struct stat one{};
  struct stat other{};
  return ::fstatat(folder, "file", &one, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstatat(folder, "link", &other, AT_SYMLINK_NOFOLLOW) == 0 &&
         one.st_ino == other.st_ino && other.st_nlink == 2;
}

bool can_rename(int folder, const char* from, const char* to, unsigned flags) {
  return ::renameat2(folder, from, folder, to, flags) == 0;
}

}  // namespace

UniqueFd make_probe_file(int folder, const char* name) {
  UniqueFd file(calls::open_beneath(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600));
  if (!file) errno = -file.get();
  return file;
}

/// EPERM is what the kernel says where the filesystem has no such call (link(2), mknod(2),
/// symlink(2)); exfat-fuse says EIO, on a disk that has just taken files.
bool means_lacking(int error) {
  switch (error) {
    case EPERM:
    case EIO:
    case EINVAL:
    case EILSEQ:
    case ENOSYS:
    case EOPNOTSUPP:
    case EMLINK:
    case ENAMETOOLONG: return true;
    default: return false;
  }
}

void probe_names(int folder, Capabilities& found) {
  if (make_probe_file(folder, "Name.In.Case")) {
    found.folds_case = exists(folder, "nAME.iN.cASE");
    ::unlinkat(folder, "Name.In.Case", 0);
  }
  found.longest_name = longest_name(folder);
  // What is reserved elsewhere, not UTF-8, and what is cut off elsewhere.
  found.any_name = keeps_name(folder, "a:b\\c*?\"<>|") && keeps_name(folder, "\xff\xfe") &&
                   keeps_name(folder, "dot.");
}

void probe_objects(int folder, const objects::Rights& rights, Capabilities& found) {
  found.symlinks = probe_symlink(folder);
  found.fifos = probe_special(folder, "fifo", S_IFIFO, 0);
  found.sockets = probe_special(folder, "socket", S_IFSOCK, 0);
  // Where FIFOs can be made, a device that cannot is a matter of rights.
  found.devices = found.fifos || !rights.make_devices;
  found.links = probe_link(folder);
}

/// On empty files: sharing what was written just now would have to wait for the disk.
void probe_content(int folder, Capabilities& found) {
  const UniqueFd from = make_probe_file(folder, "from");
  const UniqueFd to = make_probe_file(folder, "to");
  if (!from || !to) return;
  found.reflink = ::ioctl(to.get(), FICLONE, from.get()) == 0;
  if (::ftruncate(from.get(), 1 << 20) == 0) {
    found.holes = ::lseek(from.get(), 0, SEEK_HOLE) == 0;
  }
  found.rename_exchange = can_rename(folder, "from", "to", RENAME_EXCHANGE);
  found.rename_noreplace = can_rename(folder, "from", "moved", RENAME_NOREPLACE);
}

}  // namespace mirrorfs::replica
