#include "engine/ring/ring.h"

#include <mutex>

#include "engine/ring/kernel_driver.h"

namespace mirrorfs::ring {
namespace {

thread_local Ring* current_ring = nullptr;

Root run_detached(Task<void> task) { co_await std::move(task); }

/// What abandoned rings leave behind. Never freed; reachable, so that leak checkers know it is
/// meant.
struct Graveyard {
  std::mutex mutex;
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
  std::unique_ptr<Ring> ring(new Ring);
  auto driver = KernelDriver::create(options, ring->counters_);
  if (!driver) return pass_on(std::move(driver));
  ring->driver_ = *std::move(driver);
  return ring;
}

Ring::~Ring() {
  if (abandoned_.load()) {
    driver_->abandon();
    Graveyard& graves = graveyard();
    const std::lock_guard lock(graves.mutex);
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

void Ring::post(Posted function) { driver_->post(std::move(function)); }

void Ring::spawn(Task<void> task) { adopt(run_detached(std::move(task))); }

void Ring::adopt(Root root) {
  root.coroutine_.promise().insert_before(roots_);
  resume_later(root.coroutine_);
}

void Ring::run() {
  const RunScope scope(*this);
  driver_->begin();
  try {
    loop();
    if (abandoned_.load()) return;
    driver_->end();
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
    driver_->turn(next_wake());
  }
}

bool Ring::may_return() const { return stopping_ && roots_.alone() && ready_.empty(); }

void Ring::run_posted() {
  driver_->take_posted(posted_);
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
  const auto now = this->now();
  while (!sleepers_.empty() && (stopping_ || sleepers_.begin()->first <= now)) {
    SleepRequest& sleeper = *sleepers_.begin()->second;
    sleeper.elapsed_ = sleeper.until_ <= now;
    resume_later(sleeper.waiter_);
    sleepers_.erase(sleepers_.begin());
  }
}

void Ring::add_sleeper(SleepRequest& sleeper) { sleepers_.emplace(sleeper.until_, &sleeper); }

std::optional<Clock::time_point> Ring::next_wake() const {
  if (sleepers_.empty()) return std::nullopt;
  return sleepers_.begin()->first;
}

SleepRequest Ring::sleep(std::chrono::nanoseconds duration) {
  const auto now = this->now();
  constexpr auto kForever = Clock::time_point::max();
  const bool endless = duration > kForever - now;
  return {*this, endless ? kForever : now + duration};
}

}  // namespace mirrorfs::ring
