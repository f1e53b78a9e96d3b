#include "fs/handlers/captures.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fs/handlers/change_locks.h"
#include "fs/handlers/filesystem.h"

namespace mirrorfs::fs {
namespace {

constexpr std::size_t kPiece = 1U << 20;
/// More than that is compared by the engine, which reads it when it comes to it; but before the
/// file's own barrier it is to be in the stream.
constexpr std::uint64_t kMostRead = 4U << 20;
constexpr std::uint64_t kMostReadForBarrier = 64U << 20;
/// A file that is captured again and again is not read as a whole each time.
constexpr std::uint64_t kMostReadAgain = 2;
constexpr unsigned kBlock = 512;  ///< stat(2), st_blocks

bool is_as_captured(const Metadata& now, const Metadata& last) {
  return now.size == last.size && same_time(now.mtime, last.mtime) &&
         same_time(now.ctime, last.ctime);
}

Result<std::unique_ptr<std::byte[]>> read_piece(int fd, std::uint64_t offset, std::size_t size) {
  auto bytes = std::make_unique_for_overwrite<std::byte[]>(size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t count =
        ::pread(fd, bytes.get() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("pread");
    if (count == 0) return fail(EIO, "pread");  // somebody truncates it in the source
    done += static_cast<std::size_t>(count);
  }
  return bytes;
}

/// False: there is no room for so much, or it cannot be read, and it is going to be compared.
bool record_content(Filesystem& fs, const NodeRef& node, int fd, const Metadata& now) {
  auto room = fs.replicator.admit(fs.replicator.cost(now.size));
  if (!room) return false;
  Intent intent = fs.replicator.begin(std::move(*room), footprint_of(fs, node, fd));
  const auto where = fs.nodes.location(node);
  if (now.size == 0) {
    intent.record(Truncate{.object = node->object(), .where = where, .after = now});
  }
  for (std::uint64_t offset = 0; offset < now.size; offset += kPiece) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, now.size - offset));
    auto bytes = read_piece(fd, offset, size);
    if (!bytes) return true;  // the intent says that all is to be compared
    intent.record(Write{.object = node->object(),
                        .where = where,
                        .offset = offset,
                        .data = Payload(std::move(*bytes), size),
                        .after = now});
  }
  intent.complete();
  return true;
}

}  // namespace

Captures::FileRef Captures::find(const Node& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(node.id().value);
  return found == files_.end() ? nullptr : found->second;
}

std::vector<Captures::FileRef> Captures::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<FileRef> all;
  all.reserve(files_.size());
  for (const auto& [id, file] : files_) all.push_back(file);
  return all;
}

/// The new mark before the old one goes.
void Captures::mark(Filesystem& fs, UnseenFile& file) {
  file.mark = fs.replicator.keep_marked(footprint_of(fs, file.node, file.fd->get()));
  file.marked_at = fs.nodes.location(file.node);
}

void Captures::opened(Filesystem& fs, const NodeRef& node, const SharedFd& fd, Unseen how) {
  const ChangeLocks locks(fs, node);
  FileRef file = find(*node);
  if (!file) {
    file = std::make_shared<UnseenFile>();
    file->node = node;
    file->fd = fd;
    mark(fs, *file);
    if (const auto now = fs.source.stat(fd->get())) file->last = *now;
    const std::lock_guard lock(mutex_);
    files_.emplace(node->id().value, file);
  }
  ++(how == Unseen::kWrites ? file->written : file->mapped);
  node->changes_unseen = true;
  if (how == Unseen::kWrites) ++written_;
  start_watching(fs);
}

void Captures::released(Filesystem& fs, const NodeRef& node, Unseen how) {
  const ChangeLocks locks(fs, node);
  const FileRef file = find(*node);
  if (!file) return;
  if (file->may_be_mapped()) capture_held(fs, *file, Why::kMatters);
  if (how == Unseen::kMappings) {
    --file->mapped, ++file->lingering;
    return;
  }
  --file->written, --written_;
  fs.open_modes.leave(*node, DataPath::kPassthrough);
  forget_if_unused(*file);
}

/// Under the node's lock.
void Captures::forget_if_unused(UnseenFile& file) {
  if (file.written > 0 || file.may_be_mapped()) return;
  file.node->changes_unseen = false;
  const std::lock_guard lock(mutex_);
  files_.erase(file.node->id().value);
}

void Captures::capture_held(Filesystem& fs, UnseenFile& file, Why why) {
  if (file.may_be_mapped()) {
    if (why != Why::kTimePassed) have_compared(fs, file.node, file.fd->get());
  } else {
    (void)capture_writes(fs, file, why);
  }
}

bool Captures::may_read(const UnseenFile& file, const Metadata& now, Why why) {
  const bool has_holes = now.blocks * kBlock < now.size;
  const std::uint64_t most = why == Why::kBarrier ? kMostReadForBarrier : kMostRead;
  return now.size <= most && !has_holes && file.read <= kMostReadAgain * now.size + kPiece;
}

/// Whether there was anything to capture.
bool Captures::capture_writes(Filesystem& fs, UnseenFile& file, Why why) {
  using namespace std::chrono;
  const int fd = file.fd->get();
  const auto now = fs.source.stat(fd);
  if (!now || now->nlink == 0) return false;
  if (file.last && is_as_captured(*now, *file.last)) return false;
  if (may_read(file, *now, why) && record_content(fs, file.node, fd, *now)) {
    file.read += now->size;
    file.last = *now;
    return true;
  }
  // A few percent of one processor: it is read on both sides.
  const auto at = steady_clock::now();
  if (why == Why::kTimePassed && at < file.again) return true;
  file.again = at + seconds(1) + nanoseconds(20 * now->size);
  have_compared(fs, file.node, fd);
  file.last = *now;
  return true;
}

void Captures::capture(Filesystem& fs, const NodeRef& node) {
  const FileRef file = find(*node);
  if (!file) return;
  const NodeLocks locks(node);
  if (node->changes_unseen) capture_held(fs, *file, Why::kBarrier);
}

void Captures::capture_all(Filesystem& fs) {
  for (const FileRef& file : all()) capture(fs, file->node);
}

void Captures::capture_written(Filesystem& fs) {
  if (written_ == 0) return;
  for (const FileRef& file : all()) {
    const NodeLocks locks(file->node);
    if (file->written > 0 && !file->may_be_mapped()) {
      (void)capture_writes(fs, *file, Why::kMatters);
    }
  }
}

std::unique_ptr<SeenAttributes> Captures::before_change(Filesystem& fs, Node& node) {
  const FileRef file = find(node);
  if (!file || file->may_be_mapped()) return nullptr;
  (void)capture_writes(fs, *file, Why::kMatters);
  const bool is_plain =
      file->last && file->last->nlink == 1 && (file->last->mode & (S_ISUID | S_ISGID)) == 0;
  if (!is_plain) return nullptr;
  return std::make_unique<SeenAttributes>(*file->last, SeenAttributes::Clock::now());
}

void Captures::after_change(Filesystem& fs, Node& node) {
  const FileRef file = find(node);
  if (!file) return;
  if (file->marked_at != fs.nodes.location(file->node)) mark(fs, *file);
  if (file->may_be_mapped()) return;
  if (const auto now = fs.source.stat(file->fd->get())) file->last = *now;
}

std::size_t Captures::outdated(Filesystem& fs) {
  std::size_t count = 0;
  for (const FileRef& file : all()) {
    const NodeLocks locks(file->node);
    if (file->written == 0) continue;
    const auto now = fs.source.stat(file->fd->get());
    if (now && now->nlink > 0 && !(file->last && is_as_captured(*now, *file->last))) ++count;
  }
  return count;
}

}  // namespace mirrorfs::fs
