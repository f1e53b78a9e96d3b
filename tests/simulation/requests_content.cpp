// Requests that change one object: fs/handlers/data.cpp, space.cpp, attributes.cpp, xattr.cpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "mount.h"
#include "recording.h"

namespace mirrorfs::simulation {
namespace {

/// xattr and open calls refuse O_PATH descriptors.
std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

int or_errno(int result) { return result < 0 ? errno : 0; }

}  // namespace

Request Mount::open(NodeRef node, OpenFile* opened) {
  co_await step("opens a file");
  if (!node->is_regular()) co_return EOPNOTSUPP;
  UniqueFd fd(::open(path_of(node->fd.get()).c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) co_return errno;
  *opened = {node, std::move(fd)};
  co_return 0;
}

Request Mount::tmpfile(NodeRef parent, mode_t mode, OpenFile* opened) {
  co_await step("makes a file without a name");
  UniqueFd fd(::openat(parent->fd.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
  if (!fd) co_return errno;
  const Maybe metadata = look(fd.get(), "");
  if (!metadata) co_return metadata.error();
  UniqueFd path(::open(path_of(fd.get()).c_str(), O_PATH | O_CLOEXEC));
  const NodeRef node = nodes_.acquire(*metadata, std::move(path));
  nodes_.remember(node);
  *opened = {node, std::move(fd)};
  co_return 0;
}

/// `change()` yields 0 or an errno; `describe(where, after)` is the operation.
template <class Change, class Describe>
Request Mount::change_object(NodeRef node, std::size_t payload, bool synchronous, Change change,
                             Describe describe) {
  Admission admission = co_await admitted(payload);
  NodeLocks locks = co_await change_locks(node);
  Settlement settlement;
  {
    Footprint footprint = footprint_of(node);
    Recording recording(*this, std::move(admission), std::move(footprint));
    co_await step("changes an object");
    if (const int error = change(); error != 0) {
      recording.refused(error);
      co_return error;
    }
    co_await step("looks at what it changed");
    const Maybe after = look_after(node->fd.get(), "");
    if (!after) co_return after.error();
    co_await step("records the change");
    recording.record(describe(Nodes::location(node), *after));
    if (synchronous) recording.record_barrier();
    settlement = recording.complete();
  }
  locks.unlock();
  const int result = co_await settle(std::move(settlement));
  co_return result;
}

Request Mount::write(const OpenFile& file, std::uint64_t offset, std::string data,
                     bool synchronous) {
  const NodeRef node = file.node;
  const int fd = file.fd.get();
  const std::size_t size = data.size();
  const auto text = std::make_shared<std::string>(std::move(data));
  const auto change = [this, node, fd, offset, text] {
    if (::pwrite(fd, text->data(), text->size(), static_cast<off_t>(offset)) < 0) return errno;
    stamp(fd, "");
    parts_.trace.say("source  writes {} bytes of '{}' at {} of #{}", text->size(),
                     text->substr(0, 8), offset, node->object.inode);
    return 0;
  };
  const auto describe = [node, offset, text](std::optional<Location> where,
                                             const Metadata& after) -> Operation {
    return Write{.object = node->object,
                 .where = std::move(where),
                 .offset = offset,
                 .data = Payload(bytes_of(*text)),
                 .after = after};
  };
  const int error = co_await change_object(node, size, synchronous, change, describe);
  co_return error;
}

Request Mount::truncate(NodeRef node, std::uint64_t size) {
  const auto change = [this, node, size] {
    if (!node->is_regular()) return EINVAL;
    const std::string path = path_of(node->fd.get());
    if (::truncate(path.c_str(), static_cast<off_t>(size)) != 0) return errno;
    stamp(node->fd.get(), "");
    parts_.trace.say("source  truncates #{} to {}", node->object.inode, size);
    return 0;
  };
  const auto describe = [node](std::optional<Location> where, const Metadata& after) -> Operation {
    return Truncate{.object = node->object, .where = std::move(where), .after = after};
  };
  const int error = co_await change_object(node, 0, false, change, describe);
  co_return error;
}

Request Mount::allocate(const OpenFile& file, int flags, ByteRange range) {
  const NodeRef node = file.node;
  const int fd = file.fd.get();
  const auto change = [this, node, fd, flags, range] {
    if (::fallocate(fd, flags, static_cast<off_t>(range.offset),
                    static_cast<off_t>(range.length)) != 0) {
      return errno;
    }
    stamp(fd, "");
    parts_.trace.say("source  fallocate {} at {} for {} of #{}", flags, range.offset, range.length,
                     node->object.inode);
    return 0;
  };
  const auto describe = [node, flags, range](std::optional<Location> where,
                                             const Metadata& after) -> Operation {
    return Allocate{.object = node->object,
                    .where = std::move(where),
                    .flags = flags,
                    .range = range,
                    .after = after};
  };
  const int error = co_await change_object(node, 0, false, change, describe);
  co_return error;
}

Request Mount::set_attributes(NodeRef node, unsigned changed, mode_t mode, uid_t uid, gid_t gid,
                              timespec mtime) {
  const auto change = [this, node, changed, mode, uid, gid, mtime] {
    const int fd = node->fd.get();
    parts_.trace.say("source  sets attributes {} of #{}", changed, node->object.inode);
    constexpr int kItself = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
    // A chown names the mode too, which it may have changed.
    if ((changed & SetAttributes::kOwner) != 0) {
      return or_errno(::fchownat(fd, "", uid, gid, kItself));
    }
    if ((changed & SetAttributes::kMode) != 0) {
      if (S_ISLNK(node->type)) return EOPNOTSUPP;
      return or_errno(::chmod(path_of(fd).c_str(), mode));
    }
    const timespec times[2] = {mtime, mtime};
    return or_errno(::utimensat(fd, "", times, kItself));
  };
  const auto describe = [node, changed](std::optional<Location> where,
                                        const Metadata& after) -> Operation {
    return SetAttributes{
        .object = node->object, .where = std::move(where), .changed = changed, .after = after};
  };
  const int error = co_await change_object(node, 0, false, change, describe);
  co_return error;
}

Request Mount::set_xattr(NodeRef node, std::string name, std::string value) {
  const std::size_t size = value.size();
  const auto change = [this, node, name, value] {
    if (S_ISLNK(node->type)) return EPERM;
    parts_.trace.say("source  sets {} of #{}", name, node->object.inode);
    const std::string path = path_of(node->fd.get());
    return or_errno(::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0));
  };
  const auto describe = [node, name, value](std::optional<Location> where,
                                            const Metadata& after) -> Operation {
    return SetXattr{.object = node->object,
                    .where = std::move(where),
                    .name = name,
                    .value = Payload(bytes_of(value)),
                    .after = after};
  };
  const int error = co_await change_object(node, size, false, change, describe);
  co_return error;
}

Request Mount::remove_xattr(NodeRef node, std::string name) {
  const auto change = [this, node, name] {
    if (S_ISLNK(node->type)) return EPERM;
    parts_.trace.say("source  removes {} of #{}", name, node->object.inode);
    return or_errno(::removexattr(path_of(node->fd.get()).c_str(), name.c_str()));
  };
  const auto describe = [node, name](std::optional<Location> where,
                                     const Metadata& after) -> Operation {
    return RemoveXattr{
        .object = node->object, .where = std::move(where), .name = name, .after = after};
  };
  const int error = co_await change_object(node, 0, false, change, describe);
  co_return error;
}

/// pass_barrier of fs/handlers/recording.cpp. Null: syncfs.
Request Mount::fsync(NodeRef node) {
  Admission admission = co_await admitted(0);
  Settlement settlement;
  {
    Footprint covered;
    covered.change(Footprint::Change::kNothing);
    if (node != nullptr) covered.object(node->object).entry(Nodes::location(node));
    Recording recording(*this, std::move(admission), std::move(covered));
    co_await step("records a barrier");
    recording.record_barrier();
    settlement = recording.complete();
  }
  const int result = co_await settle(std::move(settlement));
  co_return result;
}

}  // namespace mirrorfs::simulation
