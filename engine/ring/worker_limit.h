// How many worker threads of the kernel one ring keeps busy (io_uring_register(2),
// IORING_REGISTER_IOWQ_MAX_WORKERS, Linux 5.15).
#pragma once

#include <chrono>
#include <optional>

namespace mirrorfs::ring {

class KernelRing;

/// What the threads of a process did during a span of time.
struct WorkerUse {
  std::chrono::nanoseconds wall{0};
  std::chrono::nanoseconds ring_thread{0};  ///< CPU time of the thread that runs the ring
  std::chrono::nanoseconds others{0};       ///< CPU time of all others: the kernel's workers
};

/// Whether more workers would get more done: a good part of the processors that the process may use
/// was idle, because workers sleep (a disk, a server, a FIFO) or the ring's thread has nothing to
/// do but to wait for them.
[[nodiscard]] bool wants_more_workers(const WorkerUse& use, unsigned processors) noexcept;

/// Starts with one worker: as long as it and the ring's thread keep the processors busy, a second
/// one gets little done beside them, and waits for the first in the locks of a directory or a
/// journal. When processors are seen to idle the limit is doubled, up to what it was before. Never
/// lowered: the kernel keeps workers that it has. The limit is the thread's, whatever ring it uses,
/// so it holds from start() to end(). Ring thread.
class WorkerLimit {
 public:
  explicit WorkerLimit(KernelRing& kernel) noexcept;

  /// Does nothing where the kernel knows no limit.
  void start();
  void end();
  /// Once a turn of the loop, before it sleeps; `requests`: under way in the kernel. True: the
  /// limit was raised. The kernel does not look at it before it gets another request for a worker.
  [[nodiscard]] bool observe(unsigned requests);
  /// Longest the loop may sleep; nullopt: no limit.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> patience(unsigned requests) const;

  [[nodiscard]] unsigned workers() const noexcept { return workers_; }  ///< 0: no limit

 private:
  using Clock = std::chrono::steady_clock;

  void begin_window(Clock::time_point now);
  [[nodiscard]] bool raise();

  KernelRing& kernel_;
  const unsigned processors_;
  unsigned workers_ = 0;
  unsigned most_ = 0;
  unsigned fewest_requests_ = 0;  ///< in this window
  Clock::time_point since_;
  std::chrono::nanoseconds process_then_{0}, thread_then_{0};
};

}  // namespace mirrorfs::ring
