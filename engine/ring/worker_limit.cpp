#include "engine/ring/worker_limit.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <limits>

#include "engine/ring/kernel_ring.h"

namespace mirrorfs::ring {
namespace {

// A thread that runs on another processor is charged at the scheduler's tick, up to 10 ms late
// (CLOCK_PROCESS_CPUTIME_ID), so a shorter window would tell little.
constexpr std::chrono::milliseconds kWindow{20};

/// Without a look into /sys, as libc's functions for it take (G7).
unsigned usable_processors() {
  cpu_set_t processors;
  CPU_ZERO(&processors);
  if (::sched_getaffinity(0, sizeof processors, &processors) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&processors));
}

/// The kernel's own limit, on a ring that is large enough.
constexpr unsigned kWorkersForProcessor = 4;

std::chrono::nanoseconds cpu_time(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

bool wants_more_workers(const WorkerUse& use, unsigned processors) noexcept {
  return (use.ring_thread + use.others) * 4 < use.wall * 3 * processors;
}

WorkerLimit::WorkerLimit(KernelRing& kernel) noexcept
    : kernel_(kernel), processors_(usable_processors()) {}

void WorkerLimit::start() {
  const std::optional<unsigned> before = kernel_.limit_workers(1);
  if (!before || *before == 1) return;
  workers_ = 1;
  // 0: this thread has no workers yet, so none of the kernel's limit (io_uring_register(2)).
  most_ = *before != 0 ? *before : kWorkersForProcessor * processors_;
  begin_window(Clock::now());
}

void WorkerLimit::end() {
  if (workers_ != 0) static_cast<void>(kernel_.limit_workers(most_));  // it was allowed before
  workers_ = 0;
}

bool WorkerLimit::observe(unsigned requests) {
  if (workers_ == 0) return false;
  fewest_requests_ = std::min(fewest_requests_, requests);
  const Clock::time_point now = Clock::now();
  if (now - since_ < kWindow) return false;
  const WorkerUse use = {
      .wall = now - since_,
      .ring_thread = cpu_time(CLOCK_THREAD_CPUTIME_ID) - thread_then_,
      .others = cpu_time(CLOCK_PROCESS_CPUTIME_ID) - process_then_ -
                (cpu_time(CLOCK_THREAD_CPUTIME_ID) - thread_then_),
  };
  const bool queued = fewest_requests_ > workers_;
  const bool raised = queued && wants_more_workers(use, processors_) && raise();
  begin_window(now);
  return raised;
}

std::optional<std::chrono::nanoseconds> WorkerLimit::patience(unsigned requests) const {
  if (workers_ == 0 || requests <= workers_) return std::nullopt;
  return kWindow;
}

void WorkerLimit::begin_window(Clock::time_point now) {
  since_ = now;
  fewest_requests_ = std::numeric_limits<unsigned>::max();
  process_then_ = cpu_time(CLOCK_PROCESS_CPUTIME_ID);
  thread_then_ = cpu_time(CLOCK_THREAD_CPUTIME_ID);
}

bool WorkerLimit::raise() {
  workers_ = std::min(workers_ * 2, most_);
  const bool raised = kernel_.limit_workers(workers_).has_value();
  if (workers_ == most_) workers_ = 0;
  return raised;
}

}  // namespace mirrorfs::ring
