// The io_uring instance: setup with fall-backs, submission, waiting, reaping. Knows no coroutines.
#pragma once

#include <liburing.h>

#include <bitset>
#include <chrono>
#include <memory>
#include <optional>

#include "engine/ring/counters.h"
#include "mirrorfs/error.h"

namespace mirrorfs::ring {

/// Made on any thread, then used by the one that calls enable().
class KernelRing {
 public:
  /// Errors keep the errno of io_uring_setup(2): ENOSYS without io_uring, EPERM where
  /// kernel.io_uring_disabled forbids it, EMFILE, ENOMEM.
  [[nodiscard]] static Result<std::unique_ptr<KernelRing>> create(unsigned entries,
                                                                  LiveCounters& counters);
  KernelRing(const KernelRing&) = delete;
  KernelRing& operator=(const KernelRing&) = delete;
  ~KernelRing();

  /// Binds the ring to the calling thread; once.
  [[nodiscard]] Result<void> enable();

  [[nodiscard]] bool supports(unsigned opcode) const { return opcodes_.test(opcode); }

  /// How many requests may be under way, so that the completion queue can never overflow.
  [[nodiscard]] unsigned capacity() const noexcept { return ring_.cq.ring_entries; }

  /// A free entry of the submission queue. When the queue is full, what it holds is handed to the
  /// kernel first; null when the kernel takes nothing just now (see enter()).
  [[nodiscard]] io_uring_sqe* next_entry();

  struct Wait {
    unsigned completions = 0;  ///< 0: do not sleep
    std::optional<std::chrono::nanoseconds> at_most;
    /// With several completions wanted: after this time a single one will do. Where the kernel does
    /// not know this (before 6.12), one completion ends every wait.
    std::chrono::microseconds gather{0};
  };
  /// The one place that calls io_uring_enter(2): hands over what is queued and waits.
  void enter(const Wait& wait);

  /// Calls handler(user_data, result) for every completion there is; returns their number.
  template <class Handler>
  unsigned reap(Handler&& handler) {
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      handler(cqe->user_data, cqe->res);
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
    return count;
  }

  /// Lets at most so many of the kernel's worker threads run this thread's requests; returns what
  /// the limit was, nullopt where the kernel knows none (before 5.15). After enable(), by its
  /// thread.
  [[nodiscard]] std::optional<unsigned> limit_workers(unsigned most);

  /// Keeps the kernel's side untouched when destroyed: for operations that never end.
  void leak() noexcept { leaked_ = true; }

 private:
  explicit KernelRing(LiveCounters& counters) : counters_(counters) {}

  [[nodiscard]] int set_up(unsigned entries);
  [[nodiscard]] int probe();
  [[nodiscard]] int submit_and_wait(const Wait& wait);

  LiveCounters& counters_;
  io_uring ring_{};
  bool initialised_ = false;
  bool leaked_ = false;
  std::bitset<Counters::kOpcodes> opcodes_;
};

}  // namespace mirrorfs::ring
