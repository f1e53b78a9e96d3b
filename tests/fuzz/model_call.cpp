#include "model_call.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

namespace mirrorfs::test {
namespace {

struct Weighted {
  CallKind kind;
  const char* name;
  unsigned weight;
};

constexpr Weighted kKinds[] = {
    {CallKind::kOpen, "open", 14},
    {CallKind::kOpenUnnamed, "open O_TMPFILE", 2},
    {CallKind::kClose, "close", 5},
    {CallKind::kDuplicate, "dup", 1},
    {CallKind::kRead, "read", 3},
    {CallKind::kReadAt, "pread", 4},
    {CallKind::kWrite, "write", 8},
    {CallKind::kWriteAt, "pwrite", 8},
    {CallKind::kSeek, "lseek", 4},
    {CallKind::kReadMapped, "read a mapping", 2},
    {CallKind::kWriteMapped, "write a mapping", 3},
    {CallKind::kTruncateOpen, "ftruncate", 3},
    {CallKind::kAllocate, "fallocate", 4},
    {CallKind::kCopyRange, "copy_file_range", 3},
    {CallKind::kSync, "fsync", 1},
    {CallKind::kSyncData, "fdatasync", 1},
    {CallKind::kStatOpen, "fstat", 4},
    {CallKind::kChmodOpen, "fchmod", 2},
    {CallKind::kChownOpen, "fchown", 2},
    {CallKind::kTimesOpen, "futimens", 2},
    {CallKind::kSetXattrOpen, "fsetxattr", 2},
    {CallKind::kLinkOpen, "linkat of the descriptor", 2},
    {CallKind::kStat, "lstat", 6},
    {CallKind::kAccess, "access", 2},
    {CallKind::kMakeDirectory, "mkdir", 6},
    {CallKind::kMakeNode, "mknod", 3},
    {CallKind::kMakeSymlink, "symlink", 3},
    {CallKind::kLink, "link", 4},
    {CallKind::kUnlink, "unlink", 5},
    {CallKind::kRemoveDirectory, "rmdir", 3},
    {CallKind::kRename, "renameat2", 8},
    {CallKind::kReadLink, "readlink", 1},
    {CallKind::kChmod, "chmod", 4},
    {CallKind::kChown, "lchown", 4},
    {CallKind::kTimes, "utimensat", 3},
    {CallKind::kTruncate, "truncate", 3},
    {CallKind::kSetXattr, "setxattr", 4},
    {CallKind::kGetXattr, "getxattr", 3},
    {CallKind::kListXattrs, "listxattr", 2},
    {CallKind::kRemoveXattr, "removexattr", 2},
    {CallKind::kSetAcl, "setxattr of an ACL", 2},
    {CallKind::kListDirectory, "list", 3},
    {CallKind::kMask, "umask", 1},
};

const char* name_of(CallKind kind) {
  for (const Weighted& each : kKinds) {
    if (each.kind == kind) return each.name;
  }
  return "?";
}

CallKind kind_at(std::uint64_t point) {
  for (const Weighted& each : kKinds) {
    if (point < each.weight) return each.kind;
    point -= each.weight;
  }
  return CallKind::kStat;
}

constexpr std::uint64_t sum_of_weights() {
  std::uint64_t sum = 0;
  for (const Weighted& each : kKinds) sum += each.weight;
  return sum;
}

constexpr int kOpenFlags[] = {O_RDONLY,
                              O_RDWR,
                              O_RDWR | O_CREAT,
                              O_RDWR | O_CREAT,
                              O_RDWR | O_CREAT | O_EXCL,
                              O_WRONLY | O_CREAT | O_TRUNC,
                              O_RDWR | O_CREAT | O_APPEND,
                              O_WRONLY | O_TRUNC,
                              O_RDWR | O_DIRECT,
                              O_RDWR | O_CREAT | O_DSYNC,
                              O_RDONLY | O_DIRECTORY,
                              O_PATH | O_NOFOLLOW,
                              O_WRONLY | O_NOFOLLOW};
/// The kernel's FUSE refuses to collapse and to insert by itself (fuse_file_fallocate, Linux 6.18).
constexpr int kAllocateModes[] = {0,
                                  FALLOC_FL_KEEP_SIZE,
                                  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  FALLOC_FL_PUNCH_HOLE,
                                  FALLOC_FL_ZERO_RANGE,
                                  FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
constexpr int kWhences[] = {SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE};
constexpr mode_t kNodeTypes[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR};
constexpr unsigned kRenameFlags[] = {
    0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE | RENAME_NOREPLACE};
constexpr const char* kXattrs[] = {"user.a",     "user.b",     "trusted.a",
                                   "security.a", "other.kind", "user."};
constexpr mode_t kModes[] = {0644, 0600, 0755, 0777, 0700, 02755, 04755, 06777, 01777, 0, 0222};
constexpr int kAccessModes[] = {F_OK, R_OK, W_OK, X_OK, R_OK | W_OK};

int flags_for(CallKind kind, const auto& one_of) {
  switch (kind) {
    case CallKind::kOpen: return one_of(kOpenFlags);
    case CallKind::kOpenUnnamed: return one_of(std::array{O_RDWR, O_WRONLY, O_RDWR | O_EXCL});
    case CallKind::kAllocate: return one_of(kAllocateModes);
    case CallKind::kSeek: return one_of(kWhences);
    case CallKind::kRename: return static_cast<int>(one_of(kRenameFlags));
    case CallKind::kAccess: return one_of(kAccessModes);
    case CallKind::kSetXattr: return one_of(std::array{0, 0, 1, 2});  // XATTR_CREATE, XATTR_REPLACE
    default: return 0;
  }
}

}  // namespace

std::string CallMaker::some_path() {
  std::string path;
  for (std::uint64_t depth = below(3); depth > 0; --depth) path += fmt::format("d{}/", below(3));
  switch (below(30)) {
    case 0: return path + std::string(255, 'l');
    case 1: return path + std::string(256, 't');
    case 2: return path + "\xff\x01 \n";
    case 3: return path + "..";
    case 4: return path + ".";
    case 5: return path + fmt::format("f{}/", below(6));
    case 6:
    case 7:
    case 8:
    case 9: return path + fmt::format("d{}", below(3));
    default: return path + fmt::format("f{}", below(6));
  }
}

std::uint64_t CallMaker::some_offset() {
  switch (below(20)) {
    case 0: return (std::uint64_t{1} << 24) + below(10'000);
    case 1: return 0;
    case 2: return below(100) << 12;
    default: return below(150'000);
  }
}

Call CallMaker::next() {
  const auto choose = [this](const auto& list) { return one_of(list); };
  Call call;
  call.kind = kind_at(below(sum_of_weights()));
  call.user = below(3) == 0 ? one_of(kUsers) : 0;
  call.path = some_path();
  call.other_path = some_path();
  call.name = one_of(kXattrs);
  call.slot = static_cast<unsigned>(below(kSlots));
  call.other_slot = static_cast<unsigned>(below(kSlots));
  call.offset = some_offset();
  call.other_offset = some_offset();
  call.size = below(10) == 0 ? below(300'000) : below(9'000);
  call.flags = flags_for(call.kind, choose);
  call.mode = one_of(kModes);
  if (call.kind == CallKind::kMakeNode) call.mode = (call.mode & 0777) | one_of(kNodeTypes);
  call.owner = below(3) == 0 ? static_cast<uid_t>(-1) : one_of(kUsers);
  call.group = below(3) == 0 ? static_cast<gid_t>(-1) : one_of(kUsers);
  if (call.kind == CallKind::kAllocate)
    call.user = 0;  // the kernel's FUSE clears set-id bits first
  // A chown that names nobody reaches the daemon as a request that sets nothing, which the kernel
  // also sends along with a write: a stranger's is taken for the latter, and does not move the
  // ctime.
  constexpr auto kNobody = static_cast<uid_t>(-1);
  if (call.owner == kNobody && call.group == kNobody) call.group = 0;
  call.seed = static_cast<unsigned>(below(1000));
  return call;
}

std::string describe(const Call& call) {
  return fmt::format(
      "{} by {}: path '{}', other '{}', slots {} and {}, offsets {} and {}, size {}, flags {:#o}, "
      "mode {:#o}, owner {}:{}, attribute {}, seed {}",
      name_of(call.kind), call.user, call.path.substr(0, 40), call.other_path.substr(0, 40),
      call.slot, call.other_slot, call.offset, call.other_offset, call.size, call.flags, call.mode,
      static_cast<int>(call.owner), static_cast<int>(call.group), call.name, call.seed);
}

}  // namespace mirrorfs::test
