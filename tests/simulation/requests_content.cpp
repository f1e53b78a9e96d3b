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

Request Mount::write(const OpenFile& file, std::uint64_t offset, std::string data) {
  Recording recording = co_await Recording::begin(*this, data.size());
  NodeLocks locks = co_await NodeLocks::take(file.node);
  co_await step("writes");
  const int fd = file.fd.get();
  const ssize_t count = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
  if (count < 0) co_return errno;
  stamp(fd, "");
  parts_.trace.say("source  writes {} bytes of '{}' at {} of #{}", count, data.substr(0, 8), offset,
                   file.node->object.inode);
  co_await step("looks at what it wrote to");
  const Maybe after = look_after(fd, "");
  if (!after) {
    recording.record_unknown(file.node);
    co_return after.error();
  }
  co_await step("records the write");
  recording.record(Write{.object = file.node->object,
                         .where = Nodes::location(file.node),
                         .offset = offset,
                         .data = Payload(bytes_of(data)),
                         .after = *after});
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Request Mount::truncate(NodeRef node, std::uint64_t size) {
  Recording recording = co_await Recording::begin(*this, 0);
  NodeLocks locks = co_await NodeLocks::take(node);
  co_await step("truncates");
  if (!node->is_regular()) co_return EINVAL;
  if (::truncate(path_of(node->fd.get()).c_str(), static_cast<off_t>(size)) != 0) co_return errno;
  stamp(node->fd.get(), "");
  parts_.trace.say("source  truncates #{} to {}", node->object.inode, size);
  co_await step("looks at what it truncated");
  const Maybe after = look_after(node->fd.get(), "");
  if (!after) co_return after.error();
  co_await step("records the truncation");
  recording.record(
      Truncate{.object = node->object, .where = Nodes::location(node), .after = *after});
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Request Mount::allocate(const OpenFile& file, int flags, ByteRange range) {
  Recording recording = co_await Recording::begin(*this, 0);
  NodeLocks locks = co_await NodeLocks::take(file.node);
  co_await step("allocates");
  const int fd = file.fd.get();
  if (::fallocate(fd, flags, static_cast<off_t>(range.offset), static_cast<off_t>(range.length)) !=
      0) {
    co_return errno;
  }
  stamp(fd, "");
  parts_.trace.say("source  fallocate {} at {} for {} of #{}", flags, range.offset, range.length,
                   file.node->object.inode);
  co_await step("looks at what it allocated");
  const Maybe after = look_after(fd, "");
  if (!after) {
    recording.record_unknown(file.node);
    co_return after.error();
  }
  co_await step("records the allocation");
  recording.record(Allocate{.object = file.node->object,
                            .where = Nodes::location(file.node),
                            .flags = flags,
                            .range = range,
                            .after = *after});
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Request Mount::set_attributes(NodeRef node, unsigned changed, mode_t mode, uid_t uid, gid_t gid,
                              timespec mtime) {
  Recording recording = co_await Recording::begin(*this, 0);
  NodeLocks locks = co_await NodeLocks::take(node);
  co_await step("sets attributes");
  const int fd = node->fd.get();
  int failed = 0;
  if ((changed & SetAttributes::kOwner) != 0) {
    failed = ::fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
  }
  if (failed == 0 && (changed & SetAttributes::kMode) != 0 &&
      (changed & SetAttributes::kOwner) == 0) {
    if (S_ISLNK(node->type)) co_return EOPNOTSUPP;
    failed = ::chmod(path_of(fd).c_str(), mode);
  }
  if (failed == 0 && (changed & SetAttributes::kTimes) != 0) {
    const timespec times[2] = {mtime, mtime};
    failed = ::utimensat(fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
  }
  if (failed != 0) co_return errno;
  parts_.trace.say("source  sets attributes {} of #{}", changed, node->object.inode);
  co_await step("looks at what it set");
  const Maybe after = look_after(fd, "");
  if (!after) co_return after.error();
  co_await step("records the attributes");
  recording.record(SetAttributes{
      .object = node->object, .where = Nodes::location(node), .changed = changed, .after = *after});
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Request Mount::set_xattr(NodeRef node, std::string name, std::string value) {
  Recording recording = co_await Recording::begin(*this, value.size());
  NodeLocks locks = co_await NodeLocks::take(node);
  co_await step("sets an extended attribute");
  const std::string path = path_of(node->fd.get());
  if (S_ISLNK(node->type)) co_return EPERM;
  if (::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0) co_return errno;
  parts_.trace.say("source  sets {} of #{}", name, node->object.inode);
  co_await step("looks at what got an extended attribute");
  const Maybe after = look_after(node->fd.get(), "");
  if (!after) co_return after.error();
  co_await step("records the extended attribute");
  recording.record(SetXattr{.object = node->object,
                            .where = Nodes::location(node),
                            .name = name,
                            .value = Payload(bytes_of(value)),
                            .after = *after});
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Request Mount::remove_xattr(NodeRef node, std::string name) {
  Recording recording = co_await Recording::begin(*this, 0);
  NodeLocks locks = co_await NodeLocks::take(node);
  co_await step("removes an extended attribute");
  if (S_ISLNK(node->type)) co_return EPERM;
  if (::removexattr(path_of(node->fd.get()).c_str(), name.c_str()) != 0) co_return errno;
  parts_.trace.say("source  removes {} of #{}", name, node->object.inode);
  co_await step("looks at what lost an extended attribute");
  const Maybe after = look_after(node->fd.get(), "");
  if (!after) co_return after.error();
  co_await step("records the removed attribute");
  recording.record(RemoveXattr{
      .object = node->object, .where = Nodes::location(node), .name = name, .after = *after});
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Request Mount::fsync() {
  Recording recording = co_await Recording::begin(*this, 0);
  co_await step("records a barrier");
  recording.record_barrier();
  const int result = co_await recording.settle();
  co_return result;
}

}  // namespace mirrorfs::simulation
