#include "engine/stream/intake.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mirrorfs::stream {

Admitted Intake::admit(std::size_t payload) {
  const std::size_t bytes = payload + kOperationCost;
  std::unique_lock lock(mutex_);
  // Without payloads an operation costs little, but not nothing: those may fill the queue again.
  const std::uint64_t bound = when_full_ == WhenFull::kWait ? limit_ : 2 * limit_;
  room_.wait(lock, [&] {
    const std::uint64_t queued = queued_bytes_.load();
    return closed_ || queued == 0 || queued + bytes <= bound;
  });
  const std::uint64_t queued = queued_bytes_.fetch_add(bytes) + bytes;
  if (queued > highest_queued_bytes_.load()) highest_queued_bytes_.store(queued);
  ++under_way_[looks_];
  return {.bytes = bytes, .begun = looks_};
}

void Intake::recorded_or_withdrawn(const Admitted& admitted) {
  const auto found = under_way_.find(admitted.begun);
  if (admitted.bytes > 0 && --found->second == 0) under_way_.erase(found);
}

SequenceNumber Intake::record(Admitted admitted, Operation operation) {
  Recorded recorded{.number = {},
                    .completed = std::chrono::steady_clock::now(),
                    .bytes = admitted.bytes,
                    .payload_lost = false,
                    .begun = admitted.begun,
                    .operation = std::move(operation)};
  Payload dropped;  // freed after the lock
  bool first = false;
  SequenceNumber number;
  {
    const std::lock_guard lock(mutex_);
    auto* write = std::get_if<Write>(&recorded.operation);
    recorded.payload_lost = write != nullptr && write->unknown;
    if (when_full_ == WhenFull::kDropPayload && write != nullptr && queued_bytes_.load() > limit_) {
      dropped = std::exchange(write->data, Payload{});
      recorded.payload_lost = true;
      const std::size_t saved = admitted.bytes - std::min(admitted.bytes, kOperationCost);
      queued_bytes_.fetch_sub(saved);
      recorded.bytes -= saved;
      payloads_lost_.fetch_add(1);
    }
    recorded_or_withdrawn(admitted);
    if (admitted.bytes == 0) recorded.begun = looks_;
    number = recorded.number = {last_recorded_.load(std::memory_order_relaxed) + 1};
    last_recorded_.store(number.value, std::memory_order_release);
    first = pending_.empty();
    pending_.push_back(std::move(recorded));
  }
  if (first && wake_) wake_();
  return number;
}

void Intake::give_back(std::size_t bytes) noexcept {
  {
    const std::lock_guard lock(mutex_);
    queued_bytes_.fetch_sub(bytes);
  }
  room_.notify_all();
}

void Intake::withdraw(Admitted admitted) noexcept {
  {
    const std::lock_guard lock(mutex_);
    recorded_or_withdrawn(admitted);
  }
  give_back(admitted.bytes);
}

Look Intake::look() {
  const std::lock_guard lock(mutex_);
  return {.number = ++looks_, .recorded = last_recorded(), .under_way = !under_way_.empty()};
}

bool Intake::all_recorded(std::uint64_t look) {
  const std::lock_guard lock(mutex_);
  return under_way_.empty() || under_way_.begin()->first >= look;
}

std::vector<Recorded> Intake::take(std::size_t most) {
  const std::lock_guard lock(mutex_);
  std::vector<Recorded> taken;
  const std::size_t count = std::min(most, pending_.size());
  taken.reserve(count);
  std::move(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count),
            std::back_inserter(taken));
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
  return taken;
}

std::chrono::steady_clock::time_point Intake::oldest(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  return pending_.empty() ? now : pending_.front().completed;
}

void Intake::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  room_.notify_all();
}

}  // namespace mirrorfs::stream
