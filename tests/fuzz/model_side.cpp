#include "model_side.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "as_user.h"
#include "model_data.h"
#include "operation_table.h"

namespace mirrorfs::test {
namespace {

/// A umask for a while.
class WithMask {
 public:
  explicit WithMask(mode_t mask) : before_(::umask(mask)) {}
  WithMask(const WithMask&) = delete;
  WithMask& operator=(const WithMask&) = delete;
  ~WithMask() { ::umask(before_); }

 private:
  mode_t before_;
};

timespec some_time(const Call& call) {
  if (call.seed % 5 == 0) return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
  if (call.seed % 5 == 1) return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  return {.tv_sec = static_cast<time_t>(call.offset) * 1000, .tv_nsec = call.seed * 1000};
}

bool same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

Outcome Side::act(const Call& call) {
  Outcome outcome;
  const auto before = look(call);
  {
    const WithMask mask(mask_);
    const AsUser caller(call.user);
    errno = 0;
    outcome.result = perform(call, outcome.data);
    outcome.error = outcome.result < 0 ? errno : 0;
  }
  const auto after = look(call);
  for (const Seen& seen : before) outcome.before += seen.attributes + "; ";
  outcome.after = compare(before, after, tells_times(call.kind));
  return outcome;
}

bool Side::tells_times(CallKind kind) const {
  switch (kind) {
    // truncate(2) to the size there is moves the times on some filesystems; on the mount always.
    case CallKind::kTruncate: return false;
    case CallKind::kLink:
    case CallKind::kLinkOpen:
    case CallKind::kUnlink:
    case CallKind::kRemoveDirectory: return tells_times_.by_names;
    default: return tells_times_.always;
  }
}

int Side::fd(const Call& call) const { return files_.at(call.slot).get(); }

long Side::perform(const Call& call, std::string& data) {
  if (call.kind <= CallKind::kLinkOpen) return perform_on_descriptor(call, data);
  if (call.kind >= CallKind::kMakeDirectory && call.kind <= CallKind::kRename) {
    return perform_on_name(call);
  }
  return perform_on_path(call, data);
}

long Side::open(const Call& call, int flags) {
  files_.at(call.slot) =
      UniqueFd(::open(at(call.path).c_str(), flags | O_NONBLOCK | O_CLOEXEC, call.mode));
  flags_.at(call.slot) = flags;
  return files_.at(call.slot).valid() ? 0 : -1;
}

long Side::link_open(const Call& call) const {
  const std::string itself = fmt::format("/proc/self/fd/{}", fd(call));
  return ::linkat(AT_FDCWD, itself.c_str(), AT_FDCWD, at(call.path).c_str(), AT_SYMLINK_FOLLOW);
}

Side::Identity Side::identity_of(int fd) {
  struct statx status{};
  ::statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status);
  return {status.stx_ino, status.stx_btime.tv_sec, status.stx_btime.tv_nsec};
}

long Side::seek(const Call& call) const {
  const bool content_matters = call.flags == SEEK_DATA || call.flags == SEEK_HOLE;
  if (content_matters && has_vague_holes(fd(call))) return 0;
  return test::seek(fd(call), static_cast<off_t>(call.offset), call.flags);
}

// Of blocks that were allocated and not yet written it depends on the pages in memory whether they
// are a hole or data (iomap_seek_data, Linux 6.18), and so on what was read ahead.
long Side::allocate(const Call& call) {
  vague_holes_.insert(identity_of(fd(call)));
  return ::fallocate(fd(call), call.flags, static_cast<off_t>(call.offset),
                     static_cast<off_t>(call.size));
}

long Side::copy_range(const Call& call) {
  const int to = files_.at(call.other_slot).get();
  if (has_vague_holes(fd(call))) vague_holes_.insert(identity_of(to));
  return test::copy_range(fd(call), to, call, flags_.at(call.slot) | flags_.at(call.other_slot));
}

// Where a mapping of a hole is read tmpfs keeps the page (shmem_fault); the daemon reads a hole.
long Side::read_mapped(const Call& call, std::string& data) {
  vague_holes_.insert(identity_of(fd(call)));
  return use_mapping(fd(call), call, data);
}

long Side::perform_on_descriptor(const Call& call, std::string& data) {
  const auto offset = static_cast<off_t>(call.offset);
  const int flags = flags_.at(call.slot);
  switch (call.kind) {
    case CallKind::kOpen: return open(call, call.flags);
    case CallKind::kOpenUnnamed: return open(call, call.flags | O_TMPFILE);
    case CallKind::kClose: {
      if (fd(call) < 0) return 0;
      return ::close(files_.at(call.slot).release());
    }
    case CallKind::kDuplicate: {
      UniqueFd copy(::fcntl(fd(call), F_DUPFD_CLOEXEC, 0));
      const bool valid = copy.valid();
      const int error = errno;
      if (valid) flags_.at(call.other_slot) = flags;
      if (valid) files_.at(call.other_slot) = std::move(copy);
      errno = error;
      return valid ? 0 : -1;
    }
    case CallKind::kRead:
    case CallKind::kReadAt: return read_some(fd(call), call, flags, data);
    case CallKind::kWrite:
    case CallKind::kWriteAt: return write_some(fd(call), call, flags);
    case CallKind::kSeek: return seek(call);
    case CallKind::kReadMapped: return read_mapped(call, data);
    case CallKind::kWriteMapped: return use_mapping(fd(call), call, data);
    case CallKind::kTruncateOpen: return ::ftruncate(fd(call), offset);
    case CallKind::kAllocate: return allocate(call);
    case CallKind::kCopyRange: return copy_range(call);
    case CallKind::kSync: return ::fsync(fd(call));
    case CallKind::kSyncData: return ::fdatasync(fd(call));
    case CallKind::kChmodOpen: return ::fchmod(fd(call), call.mode);
    case CallKind::kChownOpen: return ::fchown(fd(call), call.owner, call.group);
    case CallKind::kTimesOpen: {
      const timespec times[2] = {some_time(call), some_time(call)};
      return ::futimens(fd(call), times);
    }
    case CallKind::kSetXattrOpen: return ::fsetxattr(fd(call), call.name.c_str(), "open", 4, 0);
    case CallKind::kLinkOpen: return link_open(call);
    default: return 0;  // fstat: look() does it
  }
}

long Side::perform_on_name(const Call& call) {
  const Path path = at(call.path), other = at(call.other_path);
  switch (call.kind) {
    case CallKind::kMakeDirectory: return ::mkdir(path.c_str(), call.mode);
    case CallKind::kMakeNode: return ::mknod(path.c_str(), call.mode, makedev(1, 3));
    case CallKind::kMakeSymlink: return ::symlink(call.other_path.c_str(), path.c_str());
    case CallKind::kLink: return ::link(path.c_str(), other.c_str());
    case CallKind::kUnlink: return ::unlink(path.c_str());
    case CallKind::kRemoveDirectory: return ::rmdir(path.c_str());
    default:
      return ::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, other.c_str(),
                         static_cast<unsigned>(call.flags));
  }
}

long Side::perform_on_path(const Call& call, std::string& data) {
  const Path path = at(call.path);
  const char* const name = path.c_str();
  switch (call.kind) {
    case CallKind::kAccess: return ::faccessat(AT_FDCWD, name, call.flags, AT_EACCESS);
    case CallKind::kReadLink: {
      data.resize(1000);
      const long size = ::readlink(name, data.data(), data.size());
      data.resize(static_cast<std::size_t>(std::max(size, 0L)));
      return size;
    }
    case CallKind::kChmod: return ::chmod(name, call.mode);
    case CallKind::kChown: return ::lchown(name, call.owner, call.group);
    case CallKind::kTimes: {
      const timespec times[2] = {some_time(call), some_time(call)};
      return ::utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW);
    }
    case CallKind::kTruncate: return ::truncate(name, static_cast<off_t>(call.offset));
    case CallKind::kSetXattr: {
      const std::string value = pattern(call.size % 1500, call.seed);
      return ::lsetxattr(name, call.name.c_str(), value.data(), value.size(), call.flags);
    }
    case CallKind::kGetXattr: {
      data.resize(call.size % 1500);
      const long size = ::lgetxattr(name, call.name.c_str(), data.data(), data.size());
      data =
          size > 0 && !data.empty() ? digest(data.substr(0, static_cast<std::size_t>(size))) : "";
      return size;
    }
    case CallKind::kListXattrs: return list_xattrs(path, data);
    case CallKind::kRemoveXattr: return ::lremovexattr(name, call.name.c_str());
    case CallKind::kSetAcl: {
      const std::string acl = some_acl(kUsers[call.seed % kUsers.size()], call.seed % 8);
      const char* const kind =
          call.seed % 2 == 0 ? "system.posix_acl_access" : "system.posix_acl_default";
      return ::lsetxattr(name, kind, acl.data(), acl.size(), 0);
    }
    case CallKind::kListDirectory: return list(path, data);
    case CallKind::kMask: mask_ = call.mode & 0777; return 0;
    default: return 0;  // lstat: look() does it
  }
}

std::array<Side::Seen, 3> Side::look(const Call& call) const {
  const bool by_descriptor = call.kind <= CallKind::kLinkOpen;
  std::array<Seen, 3> seen;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    struct stat status{};
    const int error = i == 2 ? (by_descriptor ? ::fstat(fd(call), &status) : -1)
                             : ::lstat(at(i == 0 ? call.path : call.other_path).c_str(), &status);
    if (error != 0) continue;
    seen[i] = {.attributes = fmt::format("{:o} {}:{} links {} size {} device {}", status.st_mode,
                                         status.st_uid, status.st_gid, status.st_nlink,
                                         status.st_size, status.st_rdev),
               .modified = status.st_mtim,
               .changed = status.st_ctim,
               // Of FIFOs, sockets and devices the kernel's FUSE changes them, or not, by itself.
               .object = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ? status.st_ino : 0};
  }
  return seen;
}

std::string Side::compare(const std::array<Seen, 3>& before, const std::array<Seen, 3>& after,
                          bool times) {
  std::string text;
  for (std::size_t i = 0; i < after.size(); ++i) {
    text += after[i].attributes;
    if (times && before[i].object != 0 && before[i].object == after[i].object) {
      if (!same(before[i].modified, after[i].modified)) text += " modified";
      if (!same(before[i].changed, after[i].changed)) text += " changed";
    }
    text += "; ";
  }
  return text;
}

std::string describe(const Outcome& outcome) {
  return fmt::format("{} ({}), data '{}', before: {} after: {}", outcome.result,
                     outcome.error == 0 ? "no error" : std::strerror(outcome.error), outcome.data,
                     outcome.before, outcome.after);
}

}  // namespace mirrorfs::test
