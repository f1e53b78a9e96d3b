#include "engine/ring/kernel_driver.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <mutex>
#include <system_error>

#include "engine/ring/ring.h"

namespace mirrorfs::ring {
namespace {

// user_data of the read that waits on the inbox's eventfd; every other is the address of a Request.
constexpr std::uint64_t kWakeUp = 0;
// Of the request that is none: see nudge_workers().
constexpr std::uint64_t kNudge = 1;

// With many requests under way the loop sleeps until a share of them is done: a turn for each
// completion would cost a system call and a context switch each. Those that never end (the wake-up,
// a hung replica) cost the others no more than RingOptions::gather_time.
constexpr unsigned kShareToGather = 4;  // one in so many
constexpr unsigned kMostToGather = 64;

/// What abandoned rings leave behind: the kernel may still write there. Never freed; reachable, so
/// that leak checkers know it is meant.
void keep_for_ever(std::shared_ptr<Inbox> inbox) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::shared_ptr<Inbox>>;
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(inbox));
}

}  // namespace

Result<std::unique_ptr<KernelDriver>> KernelDriver::create(const RingOptions& options,
                                                           LiveCounters& counters) {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno("eventfd");
  std::unique_ptr<KernelDriver> driver(
      new KernelDriver(options, counters, std::make_shared<Inbox>(std::move(event))));
  auto kernel = KernelRing::create(options.entries, counters);
  if (!kernel) return pass_on(std::move(kernel));
  driver->kernel_ = *std::move(kernel);
  if (options.few_workers) driver->worker_limit_.emplace(*driver->kernel_);
  return driver;
}

KernelDriver::KernelDriver(const RingOptions& options, LiveCounters& counters,
                           std::shared_ptr<Inbox> inbox)
    : direct_calls_(options.direct_calls),
      gather_time_(options.gather_time),
      counters_(counters),
      inbox_(std::move(inbox)),
      helpers_(inbox_, options.helper_threads) {}

void KernelDriver::begin() {
  if (!enabled_) {
    if (auto enabled = kernel_->enable(); !enabled) {
      throw std::system_error(enabled.error().code, std::generic_category(), "io_uring_register");
    }
    enabled_ = true;
  }
  if (worker_limit_) worker_limit_->start();
}

// The read on the eventfd is the only request left.
void KernelDriver::end() {
  if (wake_armed_) inbox_->wake();
  while (in_flight_ > 0) {
    kernel_->enter({.completions = 1, .at_most = {}});
    reap();
  }
  if (worker_limit_) worker_limit_->end();
}

void KernelDriver::abandon() noexcept {
  kernel_->leak();
  helpers_.abandon();
  keep_for_ever(inbox_);
}

void KernelDriver::start(Request& request) noexcept {
  if (direct_calls_ || !kernel_->supports(request.entry().opcode)) {
    LiveCounters::add_one(counters_.direct_calls);
    helpers_.submit(request);
    return;
  }
  pending_.push_back(&request);
}

void KernelDriver::start(HelperJob& job) noexcept {
  LiveCounters::add_one(counters_.offloads);
  helpers_.submit(job);
}

void KernelDriver::turn(std::optional<Clock::time_point> wake) {
  enter_once(wake);
  reap();
}

// The one place where requests enter the submission queue. What finds no room waits in pending_.
void KernelDriver::queue_pending() {
  if (!wake_armed_) {
    io_uring_sqe* const sqe = kernel_->next_entry();
    if (sqe == nullptr) return;
    io_uring_prep_read(sqe, inbox_->event_fd(), inbox_->event_buffer(), sizeof(std::uint64_t), 0);
    sqe->user_data = kWakeUp;
    wake_armed_ = true;
    ++in_flight_;
  }
  while (!pending_.empty() && in_flight_ < kernel_->capacity()) {
    io_uring_sqe* const sqe = kernel_->next_entry();
    if (sqe == nullptr) return;
    Request& request = *pending_.front();
    pending_.pop_front();
    *sqe = request.entry();
    sqe->user_data = reinterpret_cast<std::uintptr_t>(&request);
    ++in_flight_;
  }
}

/// Until a sleeping task has to be woken, or the workers to be looked at.
std::optional<std::chrono::nanoseconds> KernelDriver::longest_sleep(
    std::optional<Clock::time_point> wake) const {
  std::optional<std::chrono::nanoseconds> longest;
  if (worker_limit_) longest = worker_limit_->patience(requests_under_way());
  if (!wake) return longest;
  const std::chrono::nanoseconds left = *wake - Clock::now();
  const std::chrono::nanoseconds wanted = std::max(left, std::chrono::nanoseconds(0));
  return std::min(wanted, longest.value_or(wanted));
}

/// Makes the kernel start one more worker, if it may.
void KernelDriver::nudge_workers() {
  io_uring_sqe* const sqe = kernel_->next_entry();
  if (sqe == nullptr) return;
  io_uring_prep_nop(sqe);
  sqe->flags |= IOSQE_ASYNC;
  sqe->user_data = kNudge;
  ++in_flight_;
}

void KernelDriver::enter_once(std::optional<Clock::time_point> wake) {
  queue_pending();
  if (worker_limit_ && worker_limit_->observe(requests_under_way())) nudge_workers();
  KernelRing::Wait wait;
  if (inbox_->prepare_to_sleep()) {
    const unsigned share = in_flight_ / kShareToGather;
    wait.completions = std::clamp(share, 1U, kMostToGather);
    wait.gather = gather_time_;
    wait.at_most = longest_sleep(wake);
  }
  kernel_->enter(wait);
}

void KernelDriver::reap() {
  in_flight_ -= kernel_->reap([this](std::uint64_t user_data, int result) {
    if (user_data == kNudge) return count(IORING_OP_NOP);
    if (user_data == kWakeUp) {
      wake_armed_ = false;
      LiveCounters::add_one(counters_.wakes);
      return;
    }
    complete(*reinterpret_cast<Request*>(static_cast<std::uintptr_t>(user_data)), result);
  });
}

void KernelDriver::complete(Request& request, int result) {
  const std::uint8_t opcode = request.entry().opcode;
  if (request.complete(result)) return count(opcode);
  LiveCounters::add_one(counters_.retries);
  pending_.push_back(&request);
}

void KernelDriver::count(std::uint8_t opcode) {
  LiveCounters::add_one(counters_.operations);
  LiveCounters::add_one(counters_.by_opcode[opcode]);
}

}  // namespace mirrorfs::ring
