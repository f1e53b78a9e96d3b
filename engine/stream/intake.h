// Where completed operations enter the engine: the one place that gives sequence numbers.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "mirrorfs/operation.h"
#include "mirrorfs/replicator.h"

namespace mirrorfs::stream {

struct Recorded {
  SequenceNumber number;
  std::chrono::steady_clock::time_point completed;
  std::size_t bytes = 0;      ///< accounted for; given back when the operation is done
  bool payload_lost = false;  ///< dropped on overflow, or unknown: only what it touched is known
  std::uint64_t begun = 0;    ///< the look after which it was admitted
  Operation operation;
};

/// A moment, for somebody who has read the source: what was admitted before it may be in what he
/// read, recorded or not, for the source changes before the change is recorded.
struct Look {
  std::uint64_t number = 0;  ///< an operation whose `begun` is less may be in it
  SequenceNumber recorded;   ///< the last one by then
  bool under_way = false;    ///< something had been admitted that was not recorded yet
};

/// Bytes that an operation without its payload is accounted for.
inline constexpr std::size_t kOperationCost = 512;

enum class WhenFull { kWait, kDropPayload };

/// admit(), record() and give_back() from any thread; take() from the ring thread.
class Intake {
 public:
  Intake(std::uint64_t queue_size, WhenFull when_full)
      : limit_(queue_size), when_full_(when_full) {}

  /// Called under no lock when the first operation since the last take() was recorded.
  void on_work(std::function<void()> wake) { wake_ = std::move(wake); }

  /// Accounts for payload + kOperationCost bytes; waits for room with WhenFull::kWait. An operation
  /// larger than the whole queue is let through when the queue is empty.
  Admitted admit(std::size_t payload);

  /// Without an admission (no bytes): together with another operation of the same request.
  SequenceNumber record(Admitted admitted, Operation operation);
  /// Of an operation that is done.
  void give_back(std::size_t bytes) noexcept;
  /// What was admitted changed nothing.
  void withdraw(Admitted admitted) noexcept;

  [[nodiscard]] Look look();
  /// Whether all that was admitted before that look has been recorded, or has changed nothing.
  [[nodiscard]] bool all_recorded(std::uint64_t look);

  /// What was recorded since the last call, in order, at most so many.
  [[nodiscard]] std::vector<Recorded> take(std::size_t most);

  /// Completion time of the first operation not taken yet; `now` when there is none.
  [[nodiscard]] std::chrono::steady_clock::time_point oldest(
      std::chrono::steady_clock::time_point now);

  /// No admit() waits from now on.
  void close();

  [[nodiscard]] SequenceNumber last_recorded() const {
    return {last_recorded_.load(std::memory_order_acquire)};
  }
  [[nodiscard]] std::uint64_t queued_bytes() const { return queued_bytes_.load(); }
  [[nodiscard]] std::uint64_t highest_queued_bytes() const { return highest_queued_bytes_.load(); }
  [[nodiscard]] std::uint64_t payloads_lost() const { return payloads_lost_.load(); }

 private:
  const std::uint64_t limit_;
  const WhenFull when_full_;
  std::function<void()> wake_;

  void recorded_or_withdrawn(const Admitted& admitted);  // under mutex_

  std::mutex mutex_;  // guards what is not atomic, and orders sequence numbers
  std::condition_variable room_;
  std::deque<Recorded> pending_;
  bool closed_ = false;
  std::uint64_t looks_ = 0;
  std::map<std::uint64_t, std::size_t> under_way_;  ///< admitted, not recorded, by `begun`

  std::atomic<std::uint64_t> last_recorded_{0};
  std::atomic<std::uint64_t> queued_bytes_{0};
  std::atomic<std::uint64_t> highest_queued_bytes_{0};
  std::atomic<std::uint64_t> payloads_lost_{0};
};

}  // namespace mirrorfs::stream
