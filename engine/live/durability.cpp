#include "engine/live/durability.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "engine/live/reconciler.h"
#include "engine/live/time_setter.h"
#include "engine/objects/file_clock.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

/// Dirty pages are written back after some 30 s on their own (vm.dirty_expire_centisecs); a failure
/// should not stay unknown much longer than that would take.
constexpr std::chrono::seconds kWatchInterval{5};
constexpr std::chrono::seconds kLongestWatchInterval{300};
/// Whoever waits for the disk again and again does not have the journal written each time.
constexpr std::chrono::milliseconds kClearInterval{200};

}  // namespace

Durability::Durability(LiveState& state, Reconciler& reconciler, TimeSetter& times, int source_root,
                       int replica_root)
    : state_(state),
      reconciler_(reconciler),
      times_(times),
      source_root_(source_root),
      replica_root_(replica_root),
      good_since_(objects::file_time_now()) {
  // By a server's clock nothing can be said.
  if (!objects::stamps_with_our_clock(replica_root)) good_since_ = {.tv_sec = 0, .tv_nsec = 1};
}

/// A round that began before the call may have missed what the caller means: the next one counts.
ring::Task<bool> Durability::sync() {
  const auto complete = suspect_ ? std::nullopt : state_.complete_through();
  co_await times_.flush();
  // Times that could not be set are marked now, or still to be set.
  const auto flushed = state_.complete_with_times();
  if (complete && flushed) complete_ = std::max(complete_, std::min(complete, flushed));
  const std::uint64_t wanted = started_ + 1;
  while (ended_ < wanted) {
    if (started_ > ended_) {
      co_await round_done_.wait();
      continue;
    }
    ++started_;
    round_done_.reset();
    const SequenceNumber applied = state_.finished.closed_through();
    const std::uint64_t reconciled = state_.reconciled;
    const std::uint64_t released = state_.released, repaired = state_.repaired;
    const timespec started = objects::file_time_now();
    const auto synced = std::exchange(complete_, std::nullopt);
    const std::uint64_t round = state_.journal ? state_.journal->begin_round() : 0;
    const int root = replica_root_;
    const int error =
        co_await state_.ring.offload([root]() noexcept { return ::syncfs(root) == 0 ? 0 : errno; });
    co_await closes_under_way();
    ++ended_;
    if (error == 0) {
      note_good(applied, reconciled, started);
      // So is what a close has lost.
      const auto closed = suspect_ ? std::nullopt : state_.complete_through();
      // What was released meanwhile may have been written after the sync, and so may what no
      // operation has asked for.
      const bool all_synced = state_.released == released && state_.repaired == repaired;
      if (synced && closed && all_synced) clear_marks(std::min(*synced, *closed), round);
    } else {
      note_failed(error, "syncfs of the replica");
    }
    round_done_.set();
  }
  co_return last_good_ >= wanted;
}

void Durability::note_good(SequenceNumber applied, std::uint64_t reconciled,
                           const timespec& started) {
  last_good_ = ended_;
  durable_ = applied;
  reconciled_ = reconciled;
  // As long as what a failure may have lost is not found and written again, it is older than this.
  if (suspect_ && !state_.nothing_marked()) return;
  suspect_ = false;
  if (good_since_.tv_sec != 0) good_since_ = started;
}

/// Beside all else: whoever waits for the disk does not wait for the journal.
void Durability::clear_marks(SequenceNumber through, std::uint64_t round) {
  cleared_through_ = through;
  cleared_round_ = round;
  if (state_.journal == nullptr || std::exchange(clearing_, true)) return;
  state_.ring.spawn(clear_marks_meanwhile());
}

ring::Task<void> Durability::clear_marks_meanwhile() {
  const std::shared_ptr<journal::MarkJournal> kept = state_.journal;
  const int source = source_root_;
  std::uint64_t round = 0;
  do {
    const SequenceNumber done = cleared_through_;
    round = cleared_round_;
    journal::MarkJournal* const journal = kept.get();
    co_await state_.ring.offload([journal, source, done, round] {
      // A power cut may take from the source what the replica has.
      if (journal->is_durable() && ::syncfs(source) != 0) return;
      journal->clear_through(done, round);
    });
    const bool slept = co_await state_.ring.sleep(kClearInterval);
    if (!slept) co_return;
  } while (round < cleared_round_);
  clearing_ = false;
}

/// The kernel reports a failed write-back once and drops the pages' dirty state (fsync(2)): what
/// they hold is in memory, and never gets to the disk unless it is written again.
void Durability::note_failed(int error, const char* what) {
  const std::string line = Error{error, what, {}}.message();
  state_.count_error(line);
  log_repeating(LogLevel::kError, what, line);
  note_lost();
}

void Durability::note_lost() {
  suspect_ = true;
  reconciler_.reread_everything(good_since_);
}

/// A close that fails may have lost what it failed to write before the sync, and is marked for it:
/// whoever goes by the marks waits for those that may have begun by then.
ring::Task<void> Durability::closes_under_way() {
  const std::uint64_t begun = state_.files.closes_begun();
  while (state_.files.any_closing_of(begun)) co_await state_.progress.wait();
}

ring::Task<bool> Durability::reach(SequenceNumber number) {
  if (suspect_) co_return co_await sync_suspect();
  // What was reconciled since may have been missing from what was durable then.
  if (durable_ >= number && reconciled_ == state_.reconciled) co_return true;
  const bool done = co_await sync();
  co_return done && !suspect_;
}

ring::Task<Result<void>> Durability::fsync(ObjectId object, Location where) {
  if (const state::FileHandle open = state_.files.find(object, where)) {
    co_return co_await state_.ring.fsync(open->get());
  }
  auto parent = co_await state_.directories.open_replica(where.parent);
  if (!parent) co_return pass_on(std::move(parent));
  auto opened = co_await state_.ring.open((*parent)->get(), where.name.c_str(),
                                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!opened) co_return pass_on(std::move(opened));
  Result<void> synced = co_await state_.ring.fsync(opened->get());
  Result<void> closed = co_await state_.ring.close(std::move(*opened));
  co_return synced ? closed : synced;
}

/// Where the object cannot be opened, everything is synced instead.
ring::Task<bool> Durability::sync_object(ObjectId object, Location where) {
  if (suspect_) co_return co_await sync_suspect();
  co_await times_.flush(object);
  const Result<void> synced = co_await fsync(object, std::move(where));
  co_await closes_under_way();
  if (synced) co_return true;
  const bool written_back_badly =
      synced.error().code == EIO || synced.error().code == ENOSPC || synced.error().code == EDQUOT;
  if (written_back_badly) {
    note_failed(synced.error().code, "fsync on the replica");
    co_return false;
  }
  const bool done = co_await sync();
  co_return done && !suspect_;
}

/// After a failure: not before what it may have lost was written again.
ring::Task<bool> Durability::sync_suspect() {
  if (!state_.nothing_marked()) co_return false;
  const bool done = co_await sync();
  co_return done && !suspect_;
}

ring::Task<void> Durability::watch() {
  auto interval = kWatchInterval;
  while (!state_.ring.stopping()) {
    co_await state_.unsynced.wait();
    const bool slept = co_await state_.ring.sleep(interval);
    if (!slept) co_return;
    state_.unsynced.reset();
    if (!behind()) continue;
    const bool good = co_await sync();
    interval = good ? kWatchInterval : std::min(2 * interval, kLongestWatchInterval);
  }
}

}  // namespace mirrorfs::live
