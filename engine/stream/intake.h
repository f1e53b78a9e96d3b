// Where completed operations enter the engine: the one place that gives sequence numbers.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/journal/mark_journal.h"
#include "engine/stream/recorded.h"
#include "mirrorfs/replicator.h"

namespace mirrorfs::stream {

/// Bytes that an operation takes in the queue without its payload and names: itself, its footprint,
/// and its share of claims and job once it was taken.
inline constexpr std::size_t kClaimsAndJobCost = 512;
inline constexpr std::size_t kOperationCost =
    sizeof(Recorded) + sizeof(Footprint) + 96 + kClaimsAndJobCost;

/// What becomes of operations for which there is no room.
enum class WhenFull {
  kWait,  ///< whoever asks for room waits
  kFold,  ///< only what they touch is kept (Overflow), until the queue is half empty
};

/// take() and give_back() for the engine; everything else from any thread. Has no thread of its own
/// and never waits: whoever waits left a callback, which is called under no lock by whoever makes
/// the room.
class Intake {
 public:
  using Admitted = std::move_only_function<void()>;

  Intake(std::uint64_t queue_size, WhenFull when_full)
      : limit_(queue_size), when_full_(when_full) {}
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  /// Every footprint is in that journal before begin() returns. Before the first begin().
  void write_ahead(journal::MarkJournal& journal) { journal_ = &journal; }

  /// Called under no lock when something was recorded for the first time since the last take(), and
  /// again when a quarter of the queue is taken.
  void on_work(std::function<void()> wake) { wake_ = std::move(wake); }
  /// For an engine that comes back by itself: from here on only a queue that fills up calls it. The
  /// engine's thread.
  void hold_wakes() { held_ = true; }
  /// What was recorded meanwhile called nobody: take() it after this.
  void resume_wakes();

  /// Room for `bytes`, if there is, and nobody waits for it. What is larger than the whole queue is
  /// let through when the queue is empty.
  [[nodiscard]] bool admit(std::size_t bytes);
  /// Calls `then` once there is room; maybe at once, and then the id is 0.
  WaitId admit_later(std::size_t bytes, Admitted then);
  void admit_regardless(std::size_t bytes) noexcept;
  /// Takes the callback back; it may be on its way.
  void cancel(WaitId wait) noexcept;
  /// Of what is done, or was admitted and never begun.
  void give_back(std::size_t bytes) noexcept;

  /// Something is about to change the source, for which `reserved` bytes were admitted.
  [[nodiscard]] Intent begin(std::size_t reserved, Footprint footprint);

  /// Replicator::keep_marked().
  [[nodiscard]] std::shared_ptr<void> keep_marked(const Footprint& footprint);
  /// How many of them are held.
  [[nodiscard]] std::size_t kept_marked() const { return kept_marked_.load(); }

  [[nodiscard]] Look look();
  /// Whether all that had begun before that look has been recorded, or has changed nothing.
  [[nodiscard]] bool all_recorded(std::uint64_t look);

  /// The next operations, in order. The engine asks again until nothing comes.
  [[nodiscard]] std::list<Recorded> take(std::size_t most);

  /// Completion time of the first operation not taken yet; `now` when there is none.
  [[nodiscard]] Recorded::Clock::time_point oldest(Recorded::Clock::time_point now) const;

  /// Nobody waits for room from now on.
  void close();

  /// Other limits from now on: lets in whoever has room by them. What is queued already stays.
  void resize(std::uint64_t queue_size, WhenFull when_full);
  [[nodiscard]] std::uint64_t limit() const;
  [[nodiscard]] WhenFull when_full() const;

  [[nodiscard]] SequenceNumber last_recorded() const {
    return {last_recorded_.load(std::memory_order_acquire)};
  }
  [[nodiscard]] std::uint64_t queued_bytes() const { return queued_bytes_.load(); }
  [[nodiscard]] std::uint64_t highest_queued_bytes() const { return highest_queued_bytes_.load(); }
  [[nodiscard]] std::uint64_t operations_folded() const { return folded_.load(); }

 private:
  class BegunOperation;
  class KeptMark;
  struct Waiter {
    WaitId id;
    std::size_t bytes;
    Admitted then;
  };

  [[nodiscard]] bool has_room(std::size_t bytes) const;
  void account(std::size_t more, std::size_t less) noexcept;
  [[nodiscard]] std::list<Waiter> take_admitted() noexcept;
  void let_in() noexcept;
  void ended(std::uint64_t begun) noexcept;
  SequenceNumber push(std::list<Recorded>& one, std::size_t reserved) noexcept;
  void decide_folding(std::size_t bytes) noexcept;
  [[nodiscard]] bool joins_overflow(const Recorded& recorded) noexcept;
  [[nodiscard]] static Operation make_overflow(Recorded& recorded) noexcept;
  [[nodiscard]] bool begins_to_press() noexcept;
  void wake(bool presses) noexcept;

  journal::MarkJournal* journal_ = nullptr;
  std::atomic<std::size_t> kept_marked_{0};
  std::function<void()> wake_;
  std::atomic<bool> woken_ = false;
  bool held_ = false;  // the engine's thread

  mutable std::mutex mutex_;  // guards what is not atomic, and orders sequence numbers
  std::uint64_t limit_;
  WhenFull when_full_;
  std::list<Recorded> pending_;
  std::list<Waiter> waiters_;
  std::uint64_t last_wait_ = 0;
  bool closed_ = false;
  bool folding_ = false;
  bool presses_ = false;  ///< since the last take()
  std::uint64_t looks_ = 0;
  std::map<std::uint64_t, std::size_t> under_way_;  ///< begun, not ended, by `begun`

  // Written under mutex_.
  std::atomic<std::uint64_t> last_recorded_{0};
  std::atomic<std::uint64_t> queued_bytes_{0};
  std::atomic<std::uint64_t> highest_queued_bytes_{0};
  std::atomic<std::uint64_t> folded_{0};
};

}  // namespace mirrorfs::stream
