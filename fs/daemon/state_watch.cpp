#include "fs/daemon/state_watch.h"

#include <utility>

#include "fs/control/state_cause.h"

namespace mirrorfs {
namespace {

using namespace std::chrono_literals;

constexpr auto kGather = 200ms;    ///< what follows on something that happened belongs to it
constexpr auto kInterval = 500ms;  ///< between looks while something is under way

}  // namespace

StateWatch::StateWatch(std::function<EngineStatus()> status,
                       std::function<void(const StateChange&)> on_change)
    : status_(std::move(status)),
      on_change_(std::move(on_change)),
      entered_(Clock::now()),
      history_{std::chrono::system_clock::now(), {}} {}

void StateWatch::start() {
  wake();
  thread_ = std::thread([this] { loop(); });
}

void StateWatch::stop() {
  {
    const std::lock_guard lock(wake_mutex_);
    stopping_ = true;
  }
  wake_up_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StateWatch::wake() noexcept {
  if (woken_.exchange(true)) return;
  {
    const std::lock_guard lock(wake_mutex_);
  }  // it is asleep by now, or will see the flag
  wake_up_.notify_all();
}

void StateWatch::loop() {
  std::unique_lock lock(wake_mutex_);
  const auto stopping = [this] { return stopping_; };
  while (!stopping_) {
    wake_up_.wait(lock, [this] { return stopping_ || woken_; });
    auto pause = std::chrono::milliseconds(kGather);
    for (bool quiet = false; !quiet && !wake_up_.wait_for(lock, pause, stopping);) {
      woken_ = false;
      lock.unlock();
      quiet = settled(look());
      lock.lock();
      pause = kInterval;
    }
  }
}

bool StateWatch::settled(const EngineStatus& status) {
  switch (status.state) {
    case MirrorState::kInSync: return status.queued_ops == 0;
    case MirrorState::kDegraded: return status.answers && status.queued_ops == 0;
    case MirrorState::kPaused: return true;
    case MirrorState::kBaseline:
    case MirrorState::kLagging:
    case MirrorState::kCatchingUp: return false;
  }
  return false;
}

EngineStatus StateWatch::look() {
  const std::uint64_t number = ++looks_;
  EngineStatus status = status_();
  note(number, status);
  return status;
}

/// Statuses may come in another order than they were asked for: an older one says nothing new.
void StateWatch::note(std::uint64_t look, const EngineStatus& status) {
  const std::lock_guard lock(mutex_);
  if (look < last_look_ || !engine_counts_) return;
  last_look_ = look;
  change_to(std::string(to_string(status.state)), control::state_cause(status), status);
}

void StateWatch::enter(const std::string& state, const std::string& cause,
                       const EngineStatus& status) {
  const std::lock_guard lock(mutex_);
  engine_counts_ = false;
  change_to(state, cause, status);
}

void StateWatch::change_to(const std::string& state, const std::string& cause,
                           const EngineStatus& status) {
  if (state == state_) return;
  const auto now = Clock::now();
  const double lasted = std::chrono::duration<double>(now - entered_).count();
  if (!state_.empty()) history_.seconds[state_] += lasted;
  const std::string previous = std::exchange(state_, state);
  entered_ = now;
  history_.since = std::chrono::system_clock::now();
  on_change_({state_, previous, cause, lasted, status});
}

StateHistory StateWatch::history() const {
  const std::lock_guard lock(mutex_);
  StateHistory history = history_;
  if (!state_.empty()) {
    history.seconds[state_] += std::chrono::duration<double>(Clock::now() - entered_).count();
  }
  return history;
}

}  // namespace mirrorfs
