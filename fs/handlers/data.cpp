// read, write, fsync, lseek.
#include <linux/capability.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "fs/handlers/foresight.h"
#include "fs/handlers/handlers.h"
#include "fs/handlers/recording.h"
#include "fs/handlers/writer.h"

namespace mirrorfs::fs {
namespace {

constexpr const char* kCapability = "security.capability";

// Short when the source is full or at a limit; -1 only when nothing was written.
ssize_t write_at(int fd, const OwnedBytes& data, off_t offset) {
  std::size_t done = 0;
  while (done < data.size) {
    const ssize_t count =
        ::pwrite(fd, data.bytes.get() + done, data.size - done, offset + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && done == 0) return -1;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

struct WriteRequest {
  const OpenFile& file;
  const Caller caller;
  OwnedBytes data;
  off_t offset;
  bool clears_set_id;
  bool from_mapping;  ///< pages that were changed in memory, written back by the kernel
};

std::uint64_t offset_of(const WriteRequest& request) {
  return static_cast<std::uint64_t>(request.offset);
}

// Who changes a mapped file leaves its capabilities alone; pwrite(2) takes them
// (file_remove_privs).
std::vector<std::byte> capabilities_to_keep(Filesystem& fs, const WriteRequest& request,
                                            FileCapabilities before) {
  if (!request.from_mapping || before != FileCapabilities::kPresent) return {};
  std::vector<std::byte> value(sizeof(vfs_ns_cap_data));
  const auto size = fs.xattrs.get(request.file.fd->get(), kCapability, value);
  value.resize(size.value_or(0));
  return value;
}

void give_back_capabilities(Filesystem& fs, const WriteRequest& request, Recording& recording,
                            std::vector<std::byte> value, const Metadata& after) {
  const OpenFile& file = request.file;
  if (value.empty() || !fs.xattrs.set(file.fd->get(), kCapability, value, 0)) return;
  recording.record(SetXattr{.object = file.node->object(),
                            .where = fs.nodes.location(file.node),
                            .name = kCapability,
                            .value = Payload(value),
                            .after = after});
}

/// Before the file is closed: the next may be opened before.
void note_grown(Filesystem& fs, const OpenFile& file, const Metadata& after, std::size_t count) {
  const bool grown =
      after.size >= WrittenSizes::kLarge && after.size - count < WrittenSizes::kLarge;
  if (!grown) return;
  const auto where = fs.nodes.location(file.node);
  if (where) fs.written_sizes.note(where->parent, after.size);
}

Result<Changed<std::size_t>> write_file(Filesystem& fs, Admission admission, WriteRequest request) {
  const OpenFile& file = request.file;
  ChangeLocks locks(fs, file.node);
  auto seen = locks.take_seen();
  const int fd = file.fd->get();
  const FileCapabilities before = capabilities_before(fs, file.node, fd);
  const bool foreseen = !file.appends && foresees(fs, file.node, seen.get());
  auto kept = capabilities_to_keep(fs, request, before);
  const Writer writer{.caller = request.caller,
                      .fd = fd,
                      .mode = file.node->known_mode(),
                      .clears_set_id = request.clears_set_id};
  Recording recording(fs, std::move(admission), footprint_of(fs, file.node, fd));
  const ssize_t written =
      write_as(fs.own, writer, [&] { return write_at(fd, request.data, request.offset); });
  if (written < 0) {
    const auto error = fail_errno("pwrite");
    recording.record_failed_write(file.node, fd, before);
    return error;
  }
  const auto count = static_cast<std::size_t>(written);
  const Result<Metadata> after =
      foreseen ? with_write(seen->metadata, offset_of(request), count) : fs.source.stat(fd);
  if (!after) return std::unexpected(after.error());
  recording.record(Write{.object = file.node->object(),
                         .where = fs.nodes.location(file.node),
                         .offset = file.appends ? after->size - count : offset_of(request),
                         .data = Payload(std::move(request.data.bytes), count),
                         .after = *after});
  give_back_capabilities(fs, request, recording, std::move(kept), *after);
  recording.record_privileges(file.node, fd, *after, before);
  if (file.synchronous()) recording.record_barrier();
  if (file.written_whole()) note_grown(fs, file, *after, count);
  if (foreseen) {
    seen->metadata = *after;
    file.node->seen = std::move(seen);
  } else {
    file.node->seen = remember(fs, file.node, *after);
  }
  return Changed<std::size_t>{count, recording.complete()};
}

}  // namespace

void handle_read(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::size_t size,
                 off_t offset, fuse_file_info* file) {
  (void)fs, (void)id;
  request.file_range(open_file(*file).fd->get(), offset, size);
}

// The one copy of a write's data in the daemon: it is written from here and then belongs to the
// operation.
Result<OwnedBytes> take_data(fuse_bufvec& data) {
  const std::size_t size = fuse_buf_size(&data);
  OwnedBytes owned{.bytes = std::make_unique_for_overwrite<std::byte[]>(size), .size = size};
  fuse_bufvec memory = FUSE_BUFVEC_INIT(size);
  memory.buf[0].mem = owned.bytes.get();
  const ssize_t copied = fuse_buf_copy(&memory, &data, fuse_buf_copy_flags{});
  if (copied < 0) return fail(static_cast<int>(-copied), "write");
  owned.size = static_cast<std::size_t>(copied);
  return owned;
}

void handle_write(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                  OwnedBytes data, off_t offset, fuse_file_info* file) {
  (void)id;
  const Caller caller = request.caller();
  if (open_file(*file).synchronous()) fs.captures.capture_written(fs);
  auto written = write_file(fs, std::move(admission),
                            {.file = open_file(*file),
                             .caller = caller,
                             .data = std::move(data),
                             .offset = offset,
                             .clears_set_id = kills_set_id(*file, caller),
                             .from_mapping = file->writepage != 0});
  if (!written) return request.error(written.error());
  answer(request, fs, std::move(written->settlement),
         [count = written->value](FuseRequest& settled, const Result<void>& result) {
           if (!result) return settled.error(result.error());
           settled.written(count);
         });
}

void handle_fsync(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                  int data_only, fuse_file_info* file) {
  (void)id;
  const OpenFile& open = open_file(*file);
  if ((data_only != 0 ? ::fdatasync(open.fd->get()) : ::fsync(open.fd->get())) != 0) {
    return request.error(errno);
  }
  fs.captures.capture(fs, open.node);
  pass_barrier(request, fs, std::move(admission), open.node);
}

// The kernel keeps the position itself; it asks for SEEK_DATA and SEEK_HOLE only. Our descriptor's
// own position is of no use, so that several threads may move it.
void handle_lseek(FuseRequest& request, Filesystem& fs, fuse_ino_t id, off_t offset, int whence,
                  fuse_file_info* file) {
  (void)fs, (void)id;
  const off_t found = ::lseek(open_file(*file).fd->get(), offset, whence);
  if (found < 0) return request.error(errno);
  request.position(found);
}

}  // namespace mirrorfs::fs
