// How the file of marks is replaced by one without those that are not needed any more. The lock is
// held for steps in memory only; what is marked meanwhile goes into both files.
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include <unordered_set>

#include "engine/journal/mark_journal.h"
#include "engine/journal/small_file.h"

namespace mirrorfs::journal {
namespace {

/// Then the rest is written under the lock: whoever marks may be faster than the file.
constexpr unsigned kMostRounds = 8;

}  // namespace

Result<MarkJournal::File> MarkJournal::begin_file() {
  File file;
  if (::getrandom(&file.salt, sizeof file.salt, 0) != sizeof file.salt) {
    return fail_errno("getrandom");
  }
  const std::string fresh = name_ + ".new";
  const std::lock_guard lock(names_);
  if (retired_) return fail(ECANCELED, "open", fresh);
  // A session that left a thread behind may still write into what it began.
  if (::unlinkat(directory_.get(), fresh.c_str(), 0) != 0 && errno != ENOENT) {
    return fail_errno("unlink", fresh);
  }
  UniqueFd opened(::openat(directory_.get(), fresh.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened) return fail_errno("open", fresh);
  file.fd = std::make_shared<const UniqueFd>(std::move(opened));
  return file;
}

bool MarkJournal::has_unneeded(Through through) const {
  if (broken_ || saturated_ || (everything_marked_ && !is_needed(everything_, through)))
    return true;
  for (const auto& [where, entry] : marks_) {
    if (!is_needed(entry, through)) return true;
  }
  return false;
}

/// What the new file begins with. From now on what is marked is remembered for it.
std::string MarkJournal::snapshot(Through through, Leaving& leaving) {
  std::string bytes;
  JournalWriter writer(next_.salt, bytes);
  writer.header(owner_);
  saturated_ = false;
  leaving.everything = everything_marked_ && !is_needed(everything_, through);
  if (everything_marked_ && !leaving.everything) writer.everything();
  for (auto& [where, entry] : marks_) {
    if (!is_needed(entry, through)) leaving.marks.push_back(where);
    if (!is_needed(entry, through) || is_gone(where.parent)) continue;
    write_places(where.parent, next_.generation, writer);
    writer.mark({where, entry.object, entry.names});
    entry.recorded = true;
  }
  return bytes;
}

/// Those that were marked again meanwhile stay.
void MarkJournal::keep_needed(Through through, Leaving& leaving) {
  JournalWriter writer(next_.salt, tail_);
  if (leaving.everything && is_needed(everything_, through)) {
    writer.everything();
    leaving.everything = false;
  }
  std::erase_if(leaving.marks, [&](const Location& where) {
    const Entry& entry = marks_.at(where);
    if (!is_needed(entry, through)) return false;
    write_places(where.parent, next_.generation, writer);
    writer.mark({where, entry.object, entry.names});
    return true;
  });
}

void MarkJournal::drop(Through through, const Leaving& leaving) {
  std::erase_if(linked_, [&](const auto& object) { return !is_needed(object.second, through); });
  if (leaving.everything) everything_marked_ = false;
  for (const Location& where : leaving.marks) marks_.erase(where);
  std::erase_if(marks_, [this](const auto& mark) {
    return mark.second.under_way == 0 && !mark.second.pinned && is_gone(mark.first.parent);
  });
  forget_gone();
}

/// Directories that were removed, and of whose entries no mark is left.
void MarkJournal::forget_gone() {
  if (gone_.empty()) return;
  std::unordered_set<ObjectId> marked;
  for (const auto& [where, entry] : marks_) marked.insert(where.parent);
  std::erase_if(gone_, [&](const ObjectId& directory) {
    if (marked.contains(directory)) return false;
    if (is_gone(directory)) directories_.erase(directory);
    return true;
  });
}

/// Writes what was marked meanwhile until both files have the same; then they are kept so.
Result<void> MarkJournal::catch_up(Through through, Leaving& leaving) {
  for (unsigned round = 0;; ++round) {
    std::string bytes;
    std::uint64_t at = 0;
    int fd = -1;
    {
      const std::lock_guard lock(mutex_);
      keep_needed(through, leaving);
      bytes = std::exchange(tail_, {});
      at = next_.end;
      next_.end += bytes.size();
      fd = next_.fd->get();
      Result<void> rest;
      if (round >= kMostRounds) rest = write_at(fd, std::exchange(bytes, {}), at);
      if (!rest) return rest;
      if (bytes.empty()) {
        drop(through, leaving);
        next_.takes_marks = true;
        return {};
      }
    }
    if (auto written = write_at(fd, bytes, at); !written) return written;
  }
}

Result<void> MarkJournal::take_its_place() {
  const std::string fresh = name_ + ".new";
  {
    const std::lock_guard lock(mutex_);
    if (next_.failed) return fail(EIO, "write", fresh);
    given_up_ = false;
  }
  {
    const std::lock_guard lock(names_);
    if (retired_) return fail(ECANCELED, "renameat", name_);
    if (::renameat(directory_.get(), fresh.c_str(), directory_.get(), name_.c_str()) != 0) {
      return fail_errno("renameat", name_);
    }
  }
  // Until then the old file may be the one that is found after a power cut.
  const bool synced = !owner_.durable || ::fsync(directory_.get()) == 0;
  File old;  // closed after the lock
  const std::lock_guard lock(mutex_);
  const bool failed = next_.failed || given_up_ || !synced;
  old = std::exchange(file_, std::exchange(next_, {}));
  broken_ = false;
  if (failed) give_up(Error{EIO, "write", "journal"});
  return {};
}

/// `through` none: everything is needed.
Result<void> MarkJournal::rewrite(Through through) {
  {
    const std::lock_guard lock(mutex_);
    if (rewriting_) return {};
    close_covers();  // or a busy one would be needed for ever
    if (!has_unneeded(through)) return {};
    rewriting_ = true;
  }
  Result<void> result = write_next(through);
  File unfinished;  // closed after the lock
  const std::lock_guard lock(mutex_);
  rewriting_ = false;
  if (!result) unfinished = std::exchange(next_, {});
  tail_.clear();
  return result;
}

Result<void> MarkJournal::write_next(Through through) {
  Result<File> fresh = begin_file();
  if (!fresh) return pass_on(std::move(fresh));
  Leaving leaving;
  std::string bytes;
  const int fd = fresh->fd->get();
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(*fresh);
    next_.generation = ++generations_;
    tail_.clear();
    bytes = snapshot(through, leaving);
    next_.end = bytes.size();
  }
  if (auto written = write_at(fd, bytes, 0); !written) return written;
  if (auto caught_up = catch_up(through, leaving); !caught_up) return caught_up;
  if (owner_.durable && ::fdatasync(fd) != 0) return fail_errno("fdatasync", name_);
  return take_its_place();
}

}  // namespace mirrorfs::journal
