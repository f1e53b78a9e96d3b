// getattr, statx, setattr, statfs, readlink.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <climits>
#include <utility>

#include "fs/handlers/foresight.h"
#include "fs/handlers/handlers.h"
#include "fs/handlers/recording.h"
#include "fs/handlers/writer.h"

namespace mirrorfs::fs {
namespace {

constexpr int kOwnerBits = FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID;
constexpr int kTimeBits =
    FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW;

/// One setattr: what is wanted, and what was done of it when something failed.
struct Change {
  Filesystem& fs;
  const Caller caller;
  const NodeRef node;
  const struct stat& wanted;
  const int to_set;
  OpenFile* const file;
  const int fd;  ///< O_PATH
  bool truncated = false;
  unsigned changed = 0;  ///< SetAttributes::Changed

  [[nodiscard]] bool asks(int bits) const { return (to_set & bits) != 0; }
  /// chown(2) that names no owner. The kernel also sends a request that sets nothing after it took
  /// the capabilities of a file that is to be written (file_remove_privs).
  [[nodiscard]] bool sets_nothing() const { return (to_set & ~FUSE_SET_ATTR_CTIME) == 0; }
};

Result<void> truncate_file(Change& change) {
  UniqueFd opened;
  int fd = change.file != nullptr && change.file->writable() ? change.file->fd->get() : -1;
  if (fd < 0) {
    if (!change.node->is_regular()) return fail(EINVAL, "truncate");
    auto writable = change.fs.source.reopen(change.fd, O_WRONLY);
    if (!writable) return pass_on(std::move(writable));
    opened = std::move(*writable);
    fd = opened.get();
  }
  const ClearingSetId as_caller(change.fs.own,
                                {.caller = change.caller,
                                 .fd = fd,
                                 .mode = change.node->known_mode(),
                                 .clears_set_id = change.asks(FUSE_SET_ATTR_KILL_SUID)});
  if (::ftruncate(fd, change.wanted.st_size) != 0) return fail_errno("ftruncate");
  change.truncated = true;
  return {};
}

/// A descriptor that is open for reading or writing is changed itself, without a look-up of a name;
/// O_PATH ones refuse that (EBADF).
template <class Itself, class ByName>
int on_descriptor(const Change& change, const Itself& itself, const ByName& by_name) {
  if (change.node->is_regular()) {
    const int done = itself();
    if (done == 0 || errno != EBADF) return done;
  }
  return by_name();
}

// A chown takes the set-user-id bit away from anyone, even one that names no owner.
Result<void> change_owner(Change& change) {
  const uid_t uid = change.asks(FUSE_SET_ATTR_UID) ? change.wanted.st_uid : static_cast<uid_t>(-1);
  const gid_t gid = change.asks(FUSE_SET_ATTR_GID) ? change.wanted.st_gid : static_cast<gid_t>(-1);
  const bool matters = set_gid_is_for_members(change.node->known_mode());
  const InGroupsOf as_caller(change.fs.own, change.caller, change.fd, matters, gid);
  const int done = on_descriptor(
      change, [&] { return ::fchown(change.fd, uid, gid); },
      [&] { return ::fchownat(change.fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW); });
  if (done != 0) return fail_errno("fchown");
  change.changed |= SetAttributes::kOwner | SetAttributes::kMode;
  return {};
}

// fchmodat2 is of Linux 6.6 only.
Result<void> change_mode(Change& change) {
  if (change.node->type() == S_IFLNK) return fail(EOPNOTSUPP, "chmod");
  const mode_t mode = change.wanted.st_mode & 07777;
  const int done = on_descriptor(
      change, [&] { return ::fchmod(change.fd, mode); },
      [&] {
        const DescriptorName name(change.fd);
        return ::fchmodat(change.fs.source.process_folder(), name.c_str(), mode, 0);
      });
  if (done != 0) return fail_errno("fchmod");
  change.changed |= SetAttributes::kMode;
  return {};
}

timespec wanted_time(const Change& change, const timespec& value, int bit, int now_bit) {
  if (change.asks(now_bit)) return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
  if (change.asks(bit)) return value;
  return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
}

Result<void> change_times(Change& change) {
  const timespec times[2] = {
      wanted_time(change, change.wanted.st_atim, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW),
      wanted_time(change, change.wanted.st_mtim, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW)};
  const int done = on_descriptor(
      change, [&] { return ::futimens(change.fd, times); },
      [&] { return ::utimensat(change.fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW); });
  if (done != 0) {
    return fail_errno("futimens");
  }
  change.changed |= SetAttributes::kTimes;
  return {};
}

Result<void> change_all(Change& change) {
  Result<void> done;
  if (change.asks(FUSE_SET_ATTR_SIZE)) done = truncate_file(change);
  if (done && (change.asks(kOwnerBits) || change.sets_nothing())) done = change_owner(change);
  if (done && change.asks(FUSE_SET_ATTR_MODE)) done = change_mode(change);
  if (done && change.asks(kTimeBits)) done = change_times(change);
  return done;
}

void record_change(Change& change, Recording& recording, const Metadata& after,
                   FileCapabilities before) {
  auto where = change.fs.nodes.location(change.node);
  if (change.truncated) {
    recording.record(Truncate{.object = change.node->object(), .where = where, .after = after});
  }
  if (change.changed != 0) {
    if ((change.changed & SetAttributes::kMode) != 0) change.node->set_known_mode(after.mode);
    recording.record(SetAttributes{.object = change.node->object(),
                                   .where = std::move(where),
                                   .changed = change.changed,
                                   .after = after});
  }
  if (change.truncated || change.changed != 0) {
    recording.record_privileges(change.node, change.fd, after, before);
  }
}

// A request that sets nothing may belong to a write that is to follow. It does if the caller could
// not make this chown, or if capabilities were taken from someone who may keep set-id bits.
bool belongs_to_a_write(const Change& change, const Metadata& now, bool capabilities_taken) {
  const bool stranger = change.caller.uid != now.uid && change.caller.uid != 0;
  return stranger || (capabilities_taken && change.fs.own.may_keep_set_id(change.caller));
}

/// What is replied. Times that nobody looked at are not to be trusted: the kernel asks if anybody
/// wants to know.
struct Shown {
  Metadata metadata;
  double timeout = 0;  ///< seconds
};

// Who restores a directory looks at it between chown and chmod (fchmodat(3), which does not follow
// links, opens it first): the look is made by the chown, so that the kernel need not ask.
bool is_foreseen(const Change& change, const SeenAttributes* seen) {
  if (change.node->is_directory() && change.asks(kOwnerBits)) return false;
  return foresees(change.fs, change.node, seen) &&
         is_kept_as_asked(change.fs, seen->metadata, change.wanted, change.to_set);
}

Result<Changed<Shown>> set_attributes(Change& change, Admission admission) {
  ChangeLocks locks(change.fs, change.node);
  auto seen = locks.take_seen();
  const double timeout = change.fs.options.attr_timeout;
  const bool capabilities_taken = std::exchange(change.node->capabilities_taken, false);
  if (change.sets_nothing()) {
    const auto now = change.fs.source.stat(change.fd);
    if (!now) return std::unexpected(now.error());
    if (belongs_to_a_write(change, *now, capabilities_taken)) {
      return Changed<Shown>{{*now, timeout}, {}};
    }
  }
  const bool loses_capabilities = change.asks(FUSE_SET_ATTR_SIZE | kOwnerBits);
  const FileCapabilities before = loses_capabilities
                                      ? capabilities_before(change.fs, change.node, change.fd)
                                      : FileCapabilities::kAbsent;
  Recording recording(change.fs, std::move(admission),
                      footprint_of(change.fs, change.node, change.fd));
  const bool foreseen = is_foreseen(change, seen.get());
  const Result<void> done = change_all(change);
  if (done && foreseen) {
    seen->metadata = with_changes(seen->metadata, change.wanted, change.to_set);
    const Metadata after = seen->metadata;
    keep_seen(change.fs, change.node, std::move(seen));
    record_change(change, recording, after, before);
    return Changed<Shown>{{after, 0}, recording.complete()};
  }
  const bool nobody_knows = !done && done.error().code == EIO;
  // What was done before something failed is recorded all the same.
  auto after = change.fs.source.stat(change.fd);
  if (!after || nobody_knows) return std::unexpected(after ? done.error() : after.error());
  record_change(change, recording, *after, before);
  Settlement settlement = recording.complete();
  if (!done) return std::unexpected(done.error());
  if (seen || change.node->is_directory()) {
    keep_seen(change.fs, change.node, remember(change.fs, change.node, *after));
  }
  return Changed<Shown>{{*after, timeout}, std::move(settlement)};
}

Result<SharedFd> descriptor_of(Filesystem& fs, fuse_ino_t id) {
  auto node = fs.node(id);
  if (!node) return pass_on(std::move(node));
  return fs.nodes.descriptor(*node);
}

}  // namespace

void handle_getattr(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file) {
  (void)file;  // of a file or a directory; the node's own descriptor serves both
  const auto fd = descriptor_of(fs, id);
  if (!fd) return request.error(fd.error());
  const auto metadata = fs.source.stat((*fd)->get());
  if (!metadata) return request.error(metadata.error());
  request.attributes(to_stat(fs, *metadata), fs.options.attr_timeout);
}

void handle_setattr(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                    struct stat* wanted, int to_set, fuse_file_info* file) {
  const auto node = fs.node(id);
  if (!node) return request.error(node.error());
  const auto fd = fs.nodes.descriptor(*node);
  if (!fd) return request.error(fd.error());
  Change change{.fs = fs,
                .caller = request.caller(),
                .node = *node,
                .wanted = *wanted,
                .to_set = to_set,
                .file = file != nullptr ? &open_file(*file) : nullptr,
                .fd = (*fd)->get()};
  auto changed = set_attributes(change, std::move(admission));
  if (!changed) return request.error(changed.error());
  answer(request, fs, std::move(changed->settlement),
         [&fs, shown = changed->value](FuseRequest& settled, const Result<void>& result) {
           if (!result) return settled.error(result.error());
           settled.attributes(to_stat(fs, shown.metadata), shown.timeout);
         });
}

void handle_statx(FuseRequest& request, Filesystem& fs, fuse_ino_t id, int flags, int mask,
                  fuse_file_info* file) {
  (void)file;
  const auto fd = descriptor_of(fs, id);
  if (!fd) return request.error(fd.error());
  struct statx raw{};
  const int sync = flags & AT_STATX_SYNC_TYPE;
  const auto wanted = static_cast<unsigned>(mask) | Metadata::kStatxMask;
  if (::statx((*fd)->get(), "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | sync, wanted, &raw) != 0) {
    return request.error(errno);
  }
  const Metadata metadata = Metadata::from(raw);
  raw.stx_ino = shown_inode(fs, metadata.dev, metadata.ino);
  request.extended_attributes(raw, fs.options.attr_timeout);
}

void handle_statfs(FuseRequest& request, Filesystem& fs, fuse_ino_t id) {
  const auto node = id == 0 ? fs.nodes.root() : fs.node(id).value_or(fs.nodes.root());
  const auto fd = fs.nodes.descriptor(node);
  if (!fd) return request.error(fd.error());
  struct statvfs statistics{};
  if (::fstatvfs((*fd)->get(), &statistics) != 0) return request.error(errno);
  request.filesystem(statistics);
}

void handle_readlink(FuseRequest& request, Filesystem& fs, fuse_ino_t id) {
  const auto fd = descriptor_of(fs, id);
  if (!fd) return request.error(fd.error());
  char target[PATH_MAX + 1];
  const ssize_t length = ::readlinkat((*fd)->get(), "", target, PATH_MAX);
  if (length < 0) return request.error(errno);
  target[length] = '\0';
  request.link_target(target);
}

}  // namespace mirrorfs::fs
