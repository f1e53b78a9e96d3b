// Files that stay open while they are written, captured some times a second.
#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "fs/handlers/captures.h"
#include "fs/handlers/change_locks.h"
#include "fs/handlers/filesystem.h"
#include "mirrorfs/log.h"

namespace mirrorfs::fs {
namespace {

using std::chrono::milliseconds;

/// Most files are closed before the first look.
constexpr milliseconds kShortest(50);
/// As long as nothing changes.
constexpr milliseconds kLongest(1000);
/// Looks without a file before the thread rests, which whoever opens the next one has to end.
constexpr unsigned kLooksBeforeRest = 20;

/// Nobody has the file open for writing, or mapped so (check_conflicting_open(), Linux fs/locks.c).
/// Who opens it at this moment waits for the end of the lease, and we would get a signal.
bool nobody_can_write(int fd) {
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0 || ::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return false;
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return true;
}

}  // namespace

void Captures::start_watching(Filesystem& fs) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  if (!watcher_.joinable()) watcher_ = std::thread([this, &fs] { watch(fs); });
  if (resting_) wanted_.notify_one();
}

void Captures::watch(Filesystem& fs) {
  milliseconds interval = kShortest;
  unsigned looks_at_nothing = 0;
  std::unique_lock lock(mutex_);
  while (!ended_) {
    if (looks_at_nothing >= kLooksBeforeRest) {
      resting_ = true;
      wanted_.wait(lock, [this] { return ended_ || !files_.empty(); });
      resting_ = false;
      looks_at_nothing = 0;
    }
    wanted_.wait_for(lock, interval, [this] { return ended_; });
    if (ended_) return;
    if (files_.empty()) {
      ++looks_at_nothing;
      interval = kShortest;
      continue;
    }
    looks_at_nothing = 0;
    lock.unlock();
    try {
      interval = look_at_all(fs) ? kShortest : std::min(2 * interval, kLongest);
    } catch (const std::bad_alloc&) {
      log_debug("no memory to capture what is open; the next look may have it");
    }
    lock.lock();
  }
}

/// Whether anything had changed.
bool Captures::look_at_all(Filesystem& fs) {
  bool changed = false;
  for (const FileRef& file : all()) {
    const NodeLocks locks(file->node);
    if (file->lingering > 0 && file->mapped == 0) {
      changed = settle(fs, *file) || changed;
    } else if (file->written > 0 && file->mapped == 0) {
      changed = capture_writes(fs, *file, Why::kTimePassed) || changed;
    }
  }
  return changed;
}

/// Nothing is mapped any more: the last comparison begins. Our own descriptors count as well.
bool Captures::settle(Filesystem& fs, UnseenFile& file) {
  const auto path = fs.nodes.descriptor(file.node);
  if (!path) return false;
  auto readable = fs.source.reopen((*path)->get(), O_RDONLY);
  if (!readable) return false;
  if (file.written == 0) file.fd = std::make_shared<const UniqueFd>(std::move(*readable));
  const int fd = file.fd->get();
  if (!nobody_can_write(fd)) {
    const auto now = std::chrono::steady_clock::now();
    if (now < file.again) return false;
    const auto looked = fs.source.stat(fd);
    file.again = now + kLongest + std::chrono::nanoseconds(20 * (looked ? looked->size : 0));
    have_compared(fs, file.node, fd);
    return false;
  }
  have_compared(fs, file.node, fd);
  for (; file.lingering > 0; --file.lingering) {
    fs.open_modes.leave(*file.node, DataPath::kPassthroughDirectIo);
  }
  forget_if_unused(file);
  return true;
}

void Captures::end() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wanted_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

}  // namespace mirrorfs::fs
