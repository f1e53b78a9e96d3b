#include "engine/stream/intake.h"

#include <algorithm>
#include <new>
#include <utility>

namespace mirrorfs::stream {

/// What stands for an Intent: counted as under way from begin() on, with an element of the stream
/// set aside for the case that nothing better is to be said.
class Intake::BegunOperation final : public Intent::Promise {
 public:
  BegunOperation(Intake& intake, std::size_t reserved, Footprint footprint)
      : intake_(intake),
        reserved_(reserved),
        footprint_(std::make_shared<const Footprint>(std::move(footprint))) {
    unknown_.push_back({.number = {},
                        .completed = {},
                        .bytes = kOperationCost + footprint_->heap_bytes(),
                        .footprint = footprint_,
                        .overflow = nullptr});
    if (intake_.journal_ != nullptr) marks_.emplace(intake_.journal_->begin(*footprint_));
    const std::lock_guard lock(intake_.mutex_);
    begun_ = intake_.looks_;
    ++intake_.under_way_[begun_];
    unknown_.front().begun = begun_;
  }
  BegunOperation(const BegunOperation&) = delete;
  BegunOperation& operator=(const BegunOperation&) = delete;

  ~BegunOperation() override {
    if (completed_) return;
    const SequenceNumber last = intake_.push(unknown_, std::exchange(reserved_, 0));
    if (intake_.journal_ != nullptr) intake_.journal_->lose_places(*footprint_, last);
    end();
  }

  SequenceNumber record(Operation&& operation) override {
    if (intake_.journal_ != nullptr) intake_.journal_->follow(operation);
    const std::size_t heap = mirrorfs::heap_bytes(operation);
    const std::size_t shared = recorded_ ? 0 : footprint_->heap_bytes();
    std::list<Recorded> one;
    one.push_back({.number = {},
                   .completed = {},
                   .bytes = kOperationCost + heap + shared,
                   .begun = begun_,
                   .footprint = footprint_,
                   .operation = std::move(operation),
                   .overflow = nullptr});
    recorded_ = true;
    return intake_.push(one, std::exchange(reserved_, 0));
  }

  [[nodiscard]] const std::shared_ptr<const Footprint>& footprint() const override {
    return footprint_;
  }

  void complete() noexcept override {
    completed_ = true;
    end();
  }

 private:
  void end() noexcept {
    if (marks_) marks_->end(intake_.last_recorded());
    intake_.ended(begun_);
    if (reserved_ > 0) intake_.give_back(std::exchange(reserved_, 0));
  }

  Intake& intake_;
  std::size_t reserved_;
  std::uint64_t begun_ = 0;
  bool recorded_ = false;
  bool completed_ = false;
  std::shared_ptr<const Footprint> footprint_;
  std::optional<journal::MarkJournal::Held> marks_;
  std::list<Recorded> unknown_;  ///< one, pushed when nothing is said
};

/// The marks of a change that goes on until this goes.
class Intake::KeptMark {
 public:
  KeptMark(Intake& intake, const Footprint& footprint) : intake_(intake) {
    if (intake_.journal_ != nullptr) held_.emplace(intake_.journal_->begin(footprint));
    ++intake_.kept_marked_;
  }
  KeptMark(const KeptMark&) = delete;
  KeptMark& operator=(const KeptMark&) = delete;
  ~KeptMark() {
    if (held_) held_->end(intake_.last_recorded());
    --intake_.kept_marked_;
  }

 private:
  Intake& intake_;
  std::optional<journal::MarkJournal::Held> held_;
};

std::shared_ptr<void> Intake::keep_marked(const Footprint& footprint) {
  return std::make_shared<KeptMark>(*this, footprint);
}

Intent Intake::begin(std::size_t reserved, Footprint footprint) {
  return Intent(std::make_unique<BegunOperation>(*this, reserved, std::move(footprint)));
}

bool Intake::has_room(std::size_t bytes) const {
  if (when_full_ == WhenFull::kFold || closed_) return true;
  const std::uint64_t queued = queued_bytes_.load(std::memory_order_relaxed);
  return queued == 0 || queued + bytes <= limit_;
}

void Intake::account(std::size_t more, std::size_t less) noexcept {
  const std::uint64_t queued = queued_bytes_.load(std::memory_order_relaxed) + more - less;
  queued_bytes_.store(queued, std::memory_order_relaxed);
  if (queued > highest_queued_bytes_.load(std::memory_order_relaxed)) {
    highest_queued_bytes_.store(queued, std::memory_order_relaxed);
  }
}

bool Intake::admit(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!waiters_.empty() || !has_room(bytes)) return false;
  account(bytes, 0);
  return true;
}

WaitId Intake::admit_later(std::size_t bytes, Admitted then) {
  WaitId id;
  {
    const std::lock_guard lock(mutex_);
    if (waiters_.empty() && has_room(bytes)) {
      account(bytes, 0);
    } else {
      id = {++last_wait_};
      waiters_.push_back({id, bytes, std::move(then)});
    }
  }
  if (!id) {
    then();
  } else {
    wake(true);  // what fills the queue may have found no memory to say so
  }
  return id;
}

void Intake::admit_regardless(std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  account(bytes, 0);
}

void Intake::cancel(WaitId wait) noexcept {
  std::list<Waiter> cancelled;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::ranges::find(waiters_, wait.value, [](const Waiter& w) { return w.id.value; });
    if (found == waiters_.end()) return;
    cancelled.splice(cancelled.begin(), waiters_, found);
  }
  let_in();  // one that waited behind a larger one
}

/// Those for whom there is room now, in their order; the room is theirs.
std::list<Intake::Waiter> Intake::take_admitted() noexcept {
  std::list<Waiter> admitted;
  while (!waiters_.empty() && has_room(waiters_.front().bytes)) {
    account(waiters_.front().bytes, 0);
    admitted.splice(admitted.end(), waiters_, waiters_.begin());
  }
  return admitted;
}

void Intake::let_in() noexcept {
  std::list<Waiter> admitted;
  {
    const std::lock_guard lock(mutex_);
    admitted = take_admitted();
  }
  for (Waiter& waiter : admitted) waiter.then();
}

void Intake::give_back(std::size_t bytes) noexcept {
  std::list<Waiter> admitted;
  {
    const std::lock_guard lock(mutex_);
    account(0, bytes);
    if (folding_ && queued_bytes_.load(std::memory_order_relaxed) < limit_ / 2) folding_ = false;
    admitted = take_admitted();
  }
  for (Waiter& waiter : admitted) waiter.then();
}

void Intake::ended(std::uint64_t begun) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = under_way_.find(begun);
  if (--found->second == 0) under_way_.erase(found);
}

void Intake::decide_folding(std::size_t bytes) noexcept {
  if (when_full_ == WhenFull::kWait) return;
  if (queued_bytes_.load(std::memory_order_relaxed) + bytes > limit_) folding_ = true;
}

/// Into the overflow at the end of the stream, if there is one.
bool Intake::joins_overflow(const Recorded& recorded) noexcept {
  if (!folding_ || pending_.empty() || !pending_.back().overflow) return false;
  Recorded& last = pending_.back();
  last.overflow->add(*recorded.footprint, recorded.operation);
  last.number = recorded.number;
  ++last.count;
  return true;
}

/// Begins an overflow. Without memory for one the element says that all may be different. The
/// operation is returned, to be freed after the lock.
Operation Intake::make_overflow(Recorded& recorded) noexcept {
  recorded.overflow.reset(new (std::nothrow) Overflow);
  if (recorded.overflow) recorded.overflow->add(*recorded.footprint, recorded.operation);
  recorded.footprint.reset();
  recorded.bytes = 0;
  return std::exchange(recorded.operation, Unknown{});
}

/// One step: a number that is given arrives. What is left in `one` is freed by the caller.
SequenceNumber Intake::push(std::list<Recorded>& one, std::size_t reserved) noexcept {
  Operation dropped = Unknown{};
  SequenceNumber number;
  bool presses = false;
  {
    const std::lock_guard lock(mutex_);
    Recorded& recorded = one.front();
    recorded.completed = Recorded::Clock::now();
    number = recorded.number = {last_recorded_.load(std::memory_order_relaxed) + 1};
    account(0, reserved);
    decide_folding(recorded.bytes);
    if (folding_) folded_.fetch_add(1, std::memory_order_relaxed);
    if (!joins_overflow(recorded)) {
      if (folding_) dropped = make_overflow(recorded);
      account(recorded.bytes, 0);
      pending_.splice(pending_.end(), one);
    }
    last_recorded_.store(number.value, std::memory_order_release);
    presses = begins_to_press();
  }
  wake(presses);
  return number;
}

bool Intake::begins_to_press() noexcept {
  if (presses_ || queued_bytes_.load(std::memory_order_relaxed) < limit_ / 4) return false;
  presses_ = true;
  return true;
}

void Intake::resume_wakes() {
  held_ = false;
  woken_ = false;
}

/// Once for all that take() has not fetched. Without memory for it the next operation tries again.
void Intake::wake(bool presses) noexcept {
  if (!wake_ || (woken_.exchange(true) && !presses)) return;
  try {
    wake_();
  } catch (const std::bad_alloc&) {
    woken_ = false;
  }
}

Look Intake::look() {
  const std::lock_guard lock(mutex_);
  return {.number = ++looks_, .recorded = last_recorded(), .under_way = !under_way_.empty()};
}

bool Intake::all_recorded(std::uint64_t look) {
  const std::lock_guard lock(mutex_);
  return under_way_.empty() || under_way_.begin()->first >= look;
}

std::list<Recorded> Intake::take(std::size_t most) {
  if (!held_) woken_ = false;
  const std::lock_guard lock(mutex_);
  presses_ = false;
  std::list<Recorded> taken;
  auto end = pending_.begin();
  std::size_t count = 0;
  while (end != pending_.end() && count < most) ++end, ++count;
  taken.splice(taken.begin(), pending_, pending_.begin(), end);
  return taken;
}

Recorded::Clock::time_point Intake::oldest(Recorded::Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  return pending_.empty() ? now : pending_.front().completed;
}

/// A queue that is folded goes on being folded until it is half empty, as always: what was folded
/// has its place in the stream.
void Intake::resize(std::uint64_t queue_size, WhenFull when_full) {
  {
    const std::lock_guard lock(mutex_);
    limit_ = queue_size;
    when_full_ = when_full;
    if (folding_ && queued_bytes_.load(std::memory_order_relaxed) < limit_ / 2) folding_ = false;
  }
  let_in();
}

std::uint64_t Intake::limit() const {
  const std::lock_guard lock(mutex_);
  return limit_;
}

WhenFull Intake::when_full() const {
  const std::lock_guard lock(mutex_);
  return when_full_;
}

void Intake::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  let_in();
}

}  // namespace mirrorfs::stream
