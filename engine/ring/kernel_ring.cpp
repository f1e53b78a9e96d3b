#include "engine/ring/kernel_ring.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <thread>

namespace mirrorfs::ring {
namespace {

constexpr unsigned kFewestEntries = 8;
constexpr unsigned kFewestCompletions = 4096;

// R_DISABLED until enable(): with SINGLE_ISSUER the thread that enables the ring becomes its
// issuer, so the ring can be made on another one (io_uring_setup(2)).
constexpr unsigned kAlways = IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;

// Best first; an older kernel refuses unknown flags with EINVAL.
constexpr std::array kFlagSets = {
    kAlways | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
        IORING_SETUP_DEFER_TASKRUN,                                 // 6.1
    kAlways | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN,  // 5.19
    kAlways,                                                        // 5.10
};

// EXT_ARG (5.11) carries the timeout of a wait.
constexpr unsigned kNeededFeatures = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;

// Orders the unmapping of one ring before a mapping of another at the same address. The kernel does
// so anyway; the thread sanitizer cannot know, as liburing makes these calls without libc.
std::mutex mapping_mutex;

__kernel_timespec to_timespec(std::chrono::nanoseconds duration) {
  constexpr std::chrono::nanoseconds kSecond = std::chrono::seconds(1);
  __kernel_timespec spec{};
  spec.tv_sec = duration / kSecond;
  spec.tv_nsec = (duration % kSecond).count();
  return spec;
}

}  // namespace

Result<std::unique_ptr<KernelRing>> KernelRing::create(unsigned entries, LiveCounters& counters) {
  std::unique_ptr<KernelRing> ring(new KernelRing(counters));
  if (const int error = ring->set_up(std::max(entries, 1U)); error != 0) {
    return fail(error, "io_uring_setup");
  }
  if ((ring->ring_.features & kNeededFeatures) != kNeededFeatures) {
    return fail(ENOSYS, "io_uring_setup", "a feature of Linux 5.11");
  }
  if (const int error = ring->probe(); error != 0) return fail(error, "io_uring_register");
  return ring;
}

KernelRing::~KernelRing() {
  if (!initialised_ || leaked_) return;
  const std::lock_guard lock(mapping_mutex);
  io_uring_queue_exit(&ring_);
}

int KernelRing::set_up(unsigned entries) {
  const std::lock_guard lock(mapping_mutex);
  std::size_t flag_set = 0;
  for (;;) {
    io_uring_params params{};
    params.flags = kFlagSets[flag_set];
    params.cq_entries = std::max(kFewestCompletions, entries * 2);
    const int result = io_uring_queue_init_params(entries, &ring_, &params);
    if (result == 0) {
      initialised_ = true;
      return 0;
    }
    if (result == -EINVAL && flag_set + 1 < kFlagSets.size()) {
      ++flag_set;
    } else if (result == -ENOMEM && entries > kFewestEntries) {
      // Before Linux 5.12 the queues count against RLIMIT_MEMLOCK.
      entries /= 2;
    } else {
      return -result;
    }
  }
}

int KernelRing::probe() {
  io_uring_probe* const probe = io_uring_get_probe_ring(&ring_);
  if (probe == nullptr) return EINVAL;
  for (unsigned opcode = 0; opcode < Counters::kOpcodes; ++opcode) {
    opcodes_[opcode] = io_uring_opcode_supported(probe, static_cast<int>(opcode)) != 0;
  }
  io_uring_free_probe(probe);
  return 0;
}

Result<void> KernelRing::enable() {
  if (const int result = io_uring_enable_rings(&ring_); result < 0) {
    return fail(-result, "io_uring_register");
  }
  return {};
}

std::optional<unsigned> KernelRing::limit_workers(unsigned most) {
  // Bounded workers, unbounded ones; 0 leaves a limit as it is. Files have bounded workers.
  std::array<unsigned, 2> limits = {most, 0};
  if (io_uring_register_iowq_max_workers(&ring_, limits.data()) != 0) return std::nullopt;
  return limits[0];
}

io_uring_sqe* KernelRing::next_entry() {
  if (io_uring_sqe* const sqe = io_uring_get_sqe(&ring_)) return sqe;
  enter(Wait{});
  return io_uring_get_sqe(&ring_);
}

int KernelRing::submit_and_wait(const Wait& wait) {
  if (wait.completions == 0) return io_uring_submit_and_get_events(&ring_);
  const bool gathers = wait.completions > 1 && (ring_.features & IORING_FEAT_MIN_TIMEOUT) != 0;
  if (!gathers && !wait.at_most) return io_uring_submit_and_wait(&ring_, 1);

  __kernel_timespec timeout = to_timespec(wait.at_most.value_or(std::chrono::nanoseconds::max()));
  io_uring_cqe* first = nullptr;
  if (!gathers) return io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  return io_uring_submit_and_wait_min_timeout(&ring_, &first, wait.completions, &timeout,
                                              static_cast<unsigned>(wait.gather.count()), nullptr);
}

void KernelRing::enter(const Wait& wait) {
  LiveCounters::add_one(counters_.enters);
  const int result = submit_and_wait(wait);
  if (result >= 0) return;
  switch (-result) {
    case EINTR:  // a signal; whatever was not handed over yet is still queued
    case ETIME:  // the wait's own timeout
    case EBUSY:  // completions have to be reaped first: the caller does so next
      return;
    case EAGAIN:  // no memory for requests just now
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return;
    default: throw std::system_error(-result, std::generic_category(), "io_uring_enter");
  }
}

}  // namespace mirrorfs::ring
