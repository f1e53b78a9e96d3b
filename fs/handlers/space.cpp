// fallocate, copy_file_range.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "fs/handlers/handlers.h"
#include "fs/handlers/recording.h"
#include "fs/handlers/writer.h"

namespace mirrorfs::fs {
namespace {

constexpr std::size_t kPiece = 1UL << 20;             ///< of a copy: one Write operation
constexpr std::size_t kMostPerRequest = 16 * kPiece;  ///< then the application asks again

/// One copy_file_range request.
struct Copy {
  const Caller& caller;
  int from;
  off_t from_offset;
  const OpenFile& to;
  int readable_to;  ///< the target again, to read back what was copied
  off_t to_offset;
  bool kill_set_id;
};

// What now stands in the range of the target, whoever else writes the origin.
Result<std::unique_ptr<std::byte[]>> read_back(int fd, off_t offset, std::size_t size) {
  auto bytes = std::make_unique_for_overwrite<std::byte[]>(size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t count =
        ::pread(fd, bytes.get() + done, size - done, offset + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("pread");
    if (count == 0) return fail(EIO, "pread");
    done += static_cast<std::size_t>(count);
  }
  return bytes;
}

Result<std::size_t> copy_piece(Filesystem& fs, Copy& copy, std::size_t size) {
  Recording recording(fs, size);
  NodeLocks locks(copy.to.node);
  const int fd = copy.to.fd.get();
  const FileCapabilities before = capabilities_before(fs, copy.to.node, fd);
  const auto offset = copy.to_offset;
  const Writer writer{
      .caller = copy.caller, .mode = copy.to.node->known_mode(), .clears_set_id = copy.kill_set_id};
  const ssize_t count = write_as(fs.own, writer, [&] {
    return ::copy_file_range(copy.from, &copy.from_offset, fd, &copy.to_offset, size, 0);
  });
  if (count < 0) {
    auto failed = fail_errno("copy_file_range");
    recording.record_failed_write(copy.to.node, fd, before);
    return failed;
  }
  if (count == 0) return 0;
  const auto copied = static_cast<std::size_t>(count);
  auto bytes = read_back(copy.readable_to, offset, copied);
  if (!bytes) {
    recording.record_unknown(copy.to.node, fd, before);
    return pass_on(std::move(bytes));
  }
  auto after = fs.source.stat(fd);
  if (!after) {
    recording.record_unknown(copy.to.node, fd, before);
    return pass_on(std::move(after));
  }
  recording.record(Write{.object = copy.to.node->object(),
                         .where = fs.nodes.location(copy.to.node),
                         .offset = static_cast<std::uint64_t>(offset),
                         .data = Payload(std::move(*bytes), copied),
                         .after = *after});
  recording.record_privileges(copy.to.node, fd, *after, before);
  if (copy.to.synchronous()) recording.record_barrier();
  locks.unlock();
  if (auto settled = recording.settle(); !settled) return pass_on(std::move(settled));
  return copied;
}

/// What fallocate(2) finds out before it begins.
bool is_refusal(int error) {
  return error == EOPNOTSUPP || error == EINVAL || error == EFBIG || error == EPERM ||
         error == ETXTBSY;
}

Result<void> allocate(Filesystem& fs, const Caller& caller, const OpenFile& file, int mode,
                      const ByteRange& range) {
  Recording recording(fs, 0);
  NodeLocks locks(file.node);
  const int fd = file.fd.get();
  const FileCapabilities before = capabilities_before(fs, file.node, fd);
  const Writer writer{.caller = caller,
                      .mode = file.node->known_mode(),
                      .clears_set_id = clears_set_id(fs, *file.node, caller)};
  const ssize_t result = write_as(fs.own, writer, [&] {
    return ::fallocate(fd, mode, static_cast<off_t>(range.offset),
                       static_cast<off_t>(range.length));
  });
  if (result < 0) {
    auto failed = fail_errno("fallocate");
    if (!is_refusal(failed.error().code)) recording.record_unknown(file.node, fd, before);
    return failed;
  }
  auto after = fs.source.stat(fd);
  if (!after) {
    recording.record_unknown(file.node, fd, before);
    return pass_on(std::move(after));
  }
  recording.record(Allocate{.object = file.node->object(),
                            .where = fs.nodes.location(file.node),
                            .flags = mode,
                            .range = range,
                            .after = *after});
  recording.record_privileges(file.node, fd, *after, before);
  if (file.synchronous()) recording.record_barrier();
  locks.unlock();
  return recording.settle();
}

}  // namespace

void handle_fallocate(FuseRequest& request, Filesystem& fs, fuse_ino_t id, int mode, off_t offset,
                      off_t length, fuse_file_info* file) {
  (void)id;
  const ByteRange range{.offset = static_cast<std::uint64_t>(offset),
                        .length = static_cast<std::uint64_t>(length)};
  request.result(allocate(fs, request.caller(), open_file(*file), mode, range));
}

void handle_copy_file_range(FuseRequest& request, Filesystem& fs, fuse_ino_t from_id,
                            off_t from_offset, fuse_file_info* from, fuse_ino_t to_id,
                            off_t to_offset, fuse_file_info* to, std::size_t size, int flags) {
  (void)from_id, (void)to_id;
  if (flags != 0) return request.error(EINVAL);
  const OpenFile& target = open_file(*to);
  UniqueFd readable;
  if (!target.readable()) {
    auto opened = fs.source.reopen(target.fd.get(), O_RDONLY);
    if (!opened) return request.error(EOPNOTSUPP);  // the kernel copies by reading and writing
    readable = std::move(*opened);
  }
  const Caller caller = request.caller();
  Copy copy{.caller = caller,
            .from = open_file(*from).fd.get(),
            .from_offset = from_offset,
            .to = target,
            .readable_to = readable ? readable.get() : target.fd.get(),
            .to_offset = to_offset,
            .kill_set_id = clears_set_id(fs, *target.node, caller)};
  std::size_t done = 0;
  const std::size_t wanted = std::min(size, kMostPerRequest);
  while (done < wanted) {
    const std::size_t piece = std::min(kPiece, wanted - done);
    const auto copied = copy_piece(fs, copy, piece);
    if (!copied && done == 0) return request.error(copied.error());
    if (!copied) break;
    done += *copied;
    if (*copied < piece) break;  // as far as one call goes on the source: XFS shares whole blocks
  }
  request.written(done);
}

}  // namespace mirrorfs::fs
