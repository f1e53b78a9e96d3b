#include "engine/ring/ring.h"

#include <sys/eventfd.h>

#include <algorithm>

#include "engine/ring/kernel_ring.h"

namespace mirrorfs::ring {
namespace {

thread_local Ring* current_ring = nullptr;

// user_data of the read that waits on the inbox's eventfd; every other is the address of a Request.
constexpr std::uint64_t kWakeUp = 0;
// Of the request that is none: see nudge_workers().
constexpr std::uint64_t kNudge = 1;

// With many requests under way the loop sleeps until a share of them is done: a turn for each
// completion would cost a system call and a context switch each. Those that never end (the wake-up,
// a hung replica) cost the others no more than RingOptions::gather_time.
constexpr unsigned kShareToGather = 4;  // one in so many
constexpr unsigned kMostToGather = 64;

Root run_detached(Task<void> task) { co_await std::move(task); }

/// What abandoned rings leave behind. Never freed; reachable, so that leak checkers know it is
/// meant.
struct Graveyard {
  std::mutex mutex;
  std::vector<std::shared_ptr<Inbox>> inboxes;
  std::vector<RootLink*> roots;
};

Graveyard& graveyard() {
  static auto* const instance = new Graveyard;
  return *instance;
}

}  // namespace

/// Marks the thread as the one inside run().
class Ring::RunScope {
 public:
  explicit RunScope(Ring& ring) noexcept : outer_(std::exchange(current_ring, &ring)) {}
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;
  ~RunScope() { current_ring = outer_; }

 private:
  Ring* const outer_;
};

Result<std::unique_ptr<Ring>> Ring::create(const RingOptions& options) {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno("eventfd");
  std::unique_ptr<Ring> ring(new Ring(options, std::make_shared<Inbox>(std::move(event))));
  auto kernel = KernelRing::create(options.entries, ring->counters_);
  if (!kernel) return pass_on(std::move(kernel));
  ring->kernel_ = *std::move(kernel);
  if (options.few_workers) ring->worker_limit_.emplace(*ring->kernel_);
  return ring;
}

Ring::Ring(const RingOptions& options, std::shared_ptr<Inbox> inbox)
    : options_(options),
      inbox_(std::move(inbox)),
      helpers_(*this, inbox_, options.helper_threads) {}

Ring::~Ring() {
  if (abandoned_.load()) {
    kernel_->leak();
    helpers_.abandon();
    Graveyard& graves = graveyard();
    const std::lock_guard lock(graves.mutex);
    graves.inboxes.push_back(inbox_);
    if (!roots_.alone()) graves.roots.push_back(roots_.next);
    roots_.unlink();
    return;
  }
  while (!roots_.alone()) {
    auto& promise = static_cast<Root::promise_type&>(*roots_.next);
    Root::Handle::from_promise(promise).destroy();
  }
}

Ring* Ring::current() noexcept { return current_ring; }

void Ring::stop() {
  post([this] { stopping_ = true; });
}

void Ring::abandon() {
  abandoned_.store(true);
  post([] {});
}

void Ring::post(Posted function) { inbox_->post(std::move(function)); }

void Ring::spawn(Task<void> task) { adopt(run_detached(std::move(task))); }

void Ring::adopt(Root root) {
  root.coroutine_.promise().insert_before(roots_);
  resume_later(root.coroutine_);
}

void Ring::run() {
  const RunScope scope(*this);
  if (!enabled_) {
    if (auto enabled = kernel_->enable(); !enabled) {
      throw std::system_error(enabled.error().code, std::generic_category(), "io_uring_register");
    }
    enabled_ = true;
  }
  if (worker_limit_) worker_limit_->start();
  try {
    loop();
    if (abandoned_.load()) return;
    quiesce();
    if (worker_limit_) worker_limit_->end();
  } catch (...) {
    // The kernel refuses the ring with requests under way: nothing they refer to may be freed.
    abandoned_.store(true);
    throw;
  }
  stopping_ = false;
}

// One turn: everything that can run runs, then one system call carries what it asked for.
void Ring::loop() {
  while (!abandoned_.load(std::memory_order_relaxed)) {
    run_posted();
    wake_sleepers();
    resume_ready();
    if (may_return()) return;
    enter_once();
    reap();
  }
}

bool Ring::may_return() const {
  return stopping_ && roots_.alone() && ready_.empty() && pending_.empty();
}

void Ring::run_posted() {
  inbox_->drain_into(posted_);
  for (Posted& function : posted_) function();
  posted_.clear();
}

// In batches, so that what becomes ready meanwhile queues behind instead of nesting.
void Ring::resume_ready() {
  while (!ready_.empty() && !abandoned_.load(std::memory_order_relaxed)) {
    running_.swap(ready_);
    for (const std::coroutine_handle<> coroutine : running_) coroutine.resume();
    running_.clear();
  }
}

void Ring::wake_sleepers() {
  if (sleepers_.empty()) return;
  const auto now = SleepRequest::Clock::now();
  while (!sleepers_.empty() && (stopping_ || sleepers_.begin()->first <= now)) {
    SleepRequest& sleeper = *sleepers_.begin()->second;
    sleeper.elapsed_ = sleeper.until_ <= now;
    resume_later(sleeper.waiter_);
    sleepers_.erase(sleepers_.begin());
  }
}

void Ring::start(Request& request) noexcept {
  const std::uint8_t opcode = request.entry().opcode;
  if (options_.direct_calls || !kernel_->supports(opcode)) {
    LiveCounters::add_one(counters_.direct_calls);
    helpers_.submit(request);
    return;
  }
  pending_.push_back(&request);
}

void Ring::start_offload(HelperJob& job) {
  LiveCounters::add_one(counters_.offloads);
  helpers_.submit(job);
}

void Ring::add_sleeper(SleepRequest& sleeper) { sleepers_.emplace(sleeper.until_, &sleeper); }

// The one place where requests enter the submission queue. What finds no room waits in pending_.
void Ring::queue_pending() {
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
std::optional<std::chrono::nanoseconds> Ring::longest_sleep() const {
  std::optional<std::chrono::nanoseconds> longest;
  if (worker_limit_) longest = worker_limit_->patience(requests_under_way());
  if (sleepers_.empty()) return longest;
  const std::chrono::nanoseconds left = sleepers_.begin()->first - SleepRequest::Clock::now();
  const std::chrono::nanoseconds wanted = std::max(left, std::chrono::nanoseconds(0));
  return std::min(wanted, longest.value_or(wanted));
}

/// Makes the kernel start one more worker, if it may.
void Ring::nudge_workers() {
  io_uring_sqe* const sqe = kernel_->next_entry();
  if (sqe == nullptr) return;
  io_uring_prep_nop(sqe);
  sqe->flags |= IOSQE_ASYNC;
  sqe->user_data = kNudge;
  ++in_flight_;
}

void Ring::enter_once() {
  queue_pending();
  if (worker_limit_ && worker_limit_->observe(requests_under_way())) nudge_workers();
  KernelRing::Wait wait;
  if (inbox_->prepare_to_sleep()) {
    const unsigned share = in_flight_ / kShareToGather;
    wait.completions = std::clamp(share, 1U, kMostToGather);
    wait.gather = options_.gather_time;
    wait.at_most = longest_sleep();
  }
  kernel_->enter(wait);
}

void Ring::reap() {
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

void Ring::complete(Request& request, int result) {
  request.result_ = result;
  if (request.take_retry()) {
    LiveCounters::add_one(counters_.retries);
    pending_.push_back(&request);
    return;
  }
  count(request.entry().opcode);
  resume_later(request.waiter_);
}

void Ring::count(std::uint8_t opcode) {
  LiveCounters::add_one(counters_.operations);
  LiveCounters::add_one(counters_.by_opcode[opcode]);
}

// All tasks have ended: the read on the eventfd is the only request left.
void Ring::quiesce() {
  if (wake_armed_) inbox_->wake();
  while (in_flight_ > 0) {
    kernel_->enter({.completions = 1, .at_most = {}});
    reap();
  }
}

SleepRequest Ring::sleep(std::chrono::nanoseconds duration) {
  const auto now = SleepRequest::Clock::now();
  constexpr auto kForever = SleepRequest::Clock::time_point::max();
  const bool endless = duration > kForever - now;
  return {*this, endless ? kForever : now + duration};
}

}  // namespace mirrorfs::ring
