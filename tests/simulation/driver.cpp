#include "driver.h"

#include <algorithm>
#include <string_view>

#include "engine/ring/direct_call.h"
#include "engine/ring/ring.h"
#include "simulated_time.h"

namespace mirrorfs::simulation {

void Driver::start(ring::Request& request) noexcept {
  pool_.push_back({.request = &request, .hangs = hang_new_, .number = ++started_});
}

void Driver::start(ring::HelperJob& job) noexcept {
  pool_.push_back({.job = &job, .hangs = hang_new_, .number = ++started_});
}

void Driver::take_posted(std::vector<ring::Posted>& functions) {
  const auto end = posted_.begin() + static_cast<std::ptrdiff_t>(delivered_);
  std::move(posted_.begin(), end, std::back_inserter(functions));
  posted_.erase(posted_.begin(), end);
  delivered_ = 0;
}

ring::Clock::time_point Driver::now() const noexcept { return SimulatedTime::now(); }

void Driver::turn(std::optional<ring::Clock::time_point> wake) {
  const CallScope own_calls(nullptr);
  scheduler_.turn(*this, wake);
}

std::optional<std::size_t> Driver::pick(Random& random, bool unexecuted) const {
  std::size_t found = 0;
  std::size_t chosen = 0;
  for (std::size_t at = 0; at < pool_.size(); ++at) {
    if (pool_[at].hangs || (unexecuted && pool_[at].executed)) continue;
    if (random.below(++found) == 0) chosen = at;
  }
  if (found == 0) return std::nullopt;
  return chosen;
}

void Driver::execute(Waiting& waiting) {
  const CallScope engine_calls(&hooks_);
  waiting.executed = true;
  if (waiting.job != nullptr) return waiting.job->execute();
  waiting.result = ring::call_directly(waiting.request->entry());
}

void Driver::say(const Waiting& waiting, const char* what) {
  if (!trace_.in_words()) return;
  if (waiting.job != nullptr) return trace_.say("engine  #{} offloaded {}", waiting.number, what);
  trace_.say("engine  #{} {} '{}' {} = {}", waiting.number, waiting.request->operation(),
             waiting.request->name(), what, waiting.result);
}

void Driver::execute_one(Random& random) {
  const auto chosen = pick(random, true);
  if (!chosen) return;
  trace_.note(pool_[*chosen].number * 2);
  execute(pool_[*chosen]);
  say(pool_[*chosen], "carried out");
}

bool Driver::answer_one(Random& random) {
  const auto chosen = pick(random, false);
  if (!chosen) return false;
  trace_.note(pool_[*chosen].number * 2 + 1);
  if (!pool_[*chosen].executed) execute(pool_[*chosen]);
  Waiting waiting = pool_[*chosen];
  pool_.erase(pool_.begin() + static_cast<std::ptrdiff_t>(*chosen));
  say(waiting, "answered");
  if (waiting.job != nullptr) {
    waiting.job->resume_waiter();
  } else if (!waiting.request->complete(waiting.result)) {
    waiting.executed = false;
    pool_.push_back(waiting);
  }
  return true;
}

void Driver::release_hanging() {
  hang_new_ = false;
  for (Waiting& waiting : pool_) waiting.hangs = false;
}

bool Driver::loss_untold() const {
  return std::ranges::any_of(pool_, [](const Waiting& waiting) {
    return waiting.request != nullptr && waiting.executed && waiting.result < 0 &&
           waiting.request->operation() == std::string_view("close");
  });
}

std::size_t Driver::hanging() const {
  return static_cast<std::size_t>(std::ranges::count_if(pool_, &Waiting::hangs));
}

}  // namespace mirrorfs::simulation
