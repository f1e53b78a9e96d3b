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

constexpr std::size_t kMostPerRequest = 16 * kCopyPiece;  ///< then the application asks again

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

Result<Changed<std::size_t>> copy_piece(Filesystem& fs, Admission admission, Copy& copy,
                                        std::size_t size) {
  ChangeLocks locks(fs, copy.to.node);
  const int fd = copy.to.fd->get();
  const FileCapabilities before = capabilities_before(fs, copy.to.node, fd);
  const auto offset = copy.to_offset;
  const Writer writer{.caller = copy.caller,
                      .fd = fd,
                      .mode = copy.to.node->known_mode(),
                      .clears_set_id = copy.kill_set_id};
  Recording recording(fs, std::move(admission), footprint_of(fs, copy.to.node, fd));
  const ssize_t count = write_as(fs.own, writer, [&] {
    return ::copy_file_range(copy.from, &copy.from_offset, fd, &copy.to_offset, size, 0);
  });
  if (count < 0) {
    auto failed = fail_errno("copy_file_range");
    recording.record_failed_write(copy.to.node, fd, before);
    return failed;
  }
  if (count == 0) {
    recording.nothing_changed();
    return Changed<std::size_t>{0, {}};
  }
  const auto copied = static_cast<std::size_t>(count);
  auto bytes = read_back(copy.readable_to, offset, copied);
  if (!bytes) return pass_on(std::move(bytes));
  auto after = fs.source.stat(fd);
  if (!after) return pass_on(std::move(after));
  recording.record(Write{.object = copy.to.node->object(),
                         .where = fs.nodes.location(copy.to.node),
                         .offset = static_cast<std::uint64_t>(offset),
                         .data = Payload(std::move(*bytes), copied),
                         .after = *after});
  recording.record_privileges(copy.to.node, fd, *after, before);
  if (copy.to.synchronous()) recording.record_barrier();
  return Changed<std::size_t>{copied, recording.complete()};
}

/// Piece by piece, while there is room for the next one at once: else the application asks again.
Result<Changed<std::size_t>> copy_pieces(Filesystem& fs, Admission admission, Copy& copy,
                                         std::size_t wanted) {
  Changed<std::size_t> all{0, {}};
  std::optional<Admission> room(std::move(admission));
  while (all.value < wanted && room) {
    const std::size_t piece = std::min(kCopyPiece, wanted - all.value);
    auto copied = copy_piece(fs, std::move(*room), copy, piece);
    if (!copied && all.value == 0) return copied;
    if (!copied) break;
    all.value += copied->value;
    if (copied->settlement.number) all.settlement = std::move(copied->settlement);
    if (copied->value < piece) break;  // as far as one call goes: XFS shares whole blocks
    room = fs.replicator.admit(fs.replicator.cost(kCopyPiece));
  }
  return all;
}

/// What fallocate(2) finds out before it begins.
bool is_refusal(int error) {
  return error == EOPNOTSUPP || error == EINVAL || error == EFBIG || error == EPERM ||
         error == ETXTBSY;
}

Result<Settlement> allocate(Filesystem& fs, Admission admission, const Caller& caller,
                            const OpenFile& file, int mode, const ByteRange& range) {
  ChangeLocks locks(fs, file.node);
  const int fd = file.fd->get();
  const FileCapabilities before = capabilities_before(fs, file.node, fd);
  const Writer writer{.caller = caller,
                      .fd = fd,
                      .mode = file.node->known_mode(),
                      .clears_set_id = clears_set_id(fs, *file.node, caller)};
  Recording recording(fs, std::move(admission), footprint_of(fs, file.node, fd));
  const ssize_t result = write_as(fs.own, writer, [&] {
    return ::fallocate(fd, mode, static_cast<off_t>(range.offset),
                       static_cast<off_t>(range.length));
  });
  if (result < 0) {
    auto failed = fail_errno("fallocate");
    if (is_refusal(failed.error().code)) recording.nothing_changed();
    return failed;
  }
  auto after = fs.source.stat(fd);
  if (!after) return pass_on(std::move(after));
  recording.record(Allocate{.object = file.node->object(),
                            .where = fs.nodes.location(file.node),
                            .flags = mode,
                            .range = range,
                            .after = *after});
  recording.record_privileges(file.node, fd, *after, before);
  if (file.synchronous()) recording.record_barrier();
  return recording.complete();
}

}  // namespace

void handle_fallocate(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                      int mode, off_t offset, off_t length, fuse_file_info* file) {
  (void)id;
  const ByteRange range{.offset = static_cast<std::uint64_t>(offset),
                        .length = static_cast<std::uint64_t>(length)};
  auto allocated =
      allocate(fs, std::move(admission), request.caller(), open_file(*file), mode, range);
  if (!allocated) return request.error(allocated.error());
  answer_result(request, fs, std::move(*allocated));
}

void handle_copy_file_range(FuseRequest& request, Filesystem& fs, Admission admission,
                            fuse_ino_t from_id, off_t from_offset, fuse_file_info* from,
                            fuse_ino_t to_id, off_t to_offset, fuse_file_info* to, std::size_t size,
                            int flags) {
  (void)from_id, (void)to_id;
  if (flags != 0) return request.error(EINVAL);
  const OpenFile& target = open_file(*to);
  UniqueFd readable;
  if (!target.readable()) {
    auto opened = fs.source.reopen(target.fd->get(), O_RDONLY);
    if (!opened) return request.error(EOPNOTSUPP);  // the kernel copies by reading and writing
    readable = std::move(*opened);
  }
  const Caller caller = request.caller();
  Copy copy{.caller = caller,
            .from = open_file(*from).fd->get(),
            .from_offset = from_offset,
            .to = target,
            .readable_to = readable ? readable.get() : target.fd->get(),
            .to_offset = to_offset,
            .kill_set_id = clears_set_id(fs, *target.node, caller)};
  auto copied = copy_pieces(fs, std::move(admission), copy, std::min(size, kMostPerRequest));
  if (!copied) return request.error(copied.error());
  answer(request, fs, std::move(copied->settlement),
         [count = copied->value](FuseRequest& settled, const Result<void>& result) {
           if (!result) return settled.error(result.error());
           settled.written(count);
         });
}

}  // namespace mirrorfs::fs
