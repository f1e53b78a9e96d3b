// Waiting for one another within one ring: nothing here is for a second thread.
#pragma once

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <exception>
#include <utility>
#include <vector>

#include "engine/ring/ring.h"

namespace mirrorfs::ring {

namespace detail {

/// A coroutine that waits for a peer: resumed by the loop of the ring it runs on, never nested.
struct Waiter {
  Ring* ring = nullptr;
  std::coroutine_handle<> coroutine;

  static Waiter suspended(std::coroutine_handle<> coroutine) noexcept {
    return {Ring::current(), coroutine};
  }
  void resume() const { ring->resume_later(coroutine); }
};

}  // namespace detail

/// Manual reset: once set, every wait() returns until reset().
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void set() {
    set_ = true;
    for (const detail::Waiter& waiter : std::exchange(waiters_, {})) waiter.resume();
  }
  /// No reset() has an effect any more: for the end, which nobody may miss.
  void set_for_good() {
    for_good_ = true;
    set();
  }
  void reset() noexcept { set_ = for_good_; }
  [[nodiscard]] bool is_set() const noexcept { return set_; }

  /// Returns after a set(), even if reset() follows before the waiter runs.
  auto wait() noexcept { return Awaiter{*this}; }

 private:
  struct Awaiter {
    Event& event;
    [[nodiscard]] bool await_ready() const noexcept { return event.set_; }
    void await_suspend(std::coroutine_handle<> coroutine) const {
      event.waiters_.push_back(detail::Waiter::suspended(coroutine));
    }
    void await_resume() const noexcept {}
  };

  bool set_ = false;
  bool for_good_ = false;
  std::vector<detail::Waiter> waiters_;
};

class Semaphore;

/// Units of a Semaphore, returned when destroyed.
class [[nodiscard]] Permit {
 public:
  Permit() noexcept = default;
  Permit(Permit&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), units_(std::exchange(other.units_, 0)) {}
  Permit& operator=(Permit&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(units_, other.units_);
    return *this;
  }
  ~Permit() { release(); }

  void release();
  explicit operator bool() const noexcept { return owner_ != nullptr; }

 private:
  friend class Semaphore;
  Permit(Semaphore& owner, std::size_t units) noexcept : owner_(&owner), units_(units) {}

  Semaphore* owner_ = nullptr;
  std::size_t units_ = 0;
};

/// FIFO: nobody overtakes a waiter, not even for fewer units. Outlives its permits.
class Semaphore {
 public:
  explicit Semaphore(std::size_t units) noexcept : capacity_(units), available_(units) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  /// `co_await acquire()` yields the Permit. More units than there are count as all of them.
  auto acquire(std::size_t units = 1) noexcept {
    return Awaiter(*this, std::min(units, capacity_));
  }
  [[nodiscard]] std::size_t available() const noexcept { return available_; }

  /// One unit less from now on, as soon as one is given back; `fewest` stay.
  void shrink(std::size_t fewest) noexcept {
    if (capacity_ <= fewest) return;
    --capacity_;
    ++owed_;
  }

 private:
  friend class Permit;

  class Awaiter {
   public:
    Awaiter(Semaphore& owner, std::size_t units) noexcept : owner_(owner), units_(units) {}
    [[nodiscard]] bool await_ready() noexcept {
      if (!owner_.waiters_.empty() || owner_.available_ < units_) return false;
      owner_.available_ -= units_;
      return true;
    }
    void await_suspend(std::coroutine_handle<> coroutine) {
      owner_.waiters_.push_back({detail::Waiter::suspended(coroutine), units_});
    }
    Permit await_resume() noexcept { return Permit(owner_, units_); }

   private:
    Semaphore& owner_;
    const std::size_t units_;
  };

  struct Queued {
    detail::Waiter waiter;
    std::size_t units;
  };

  void give_back(std::size_t units) {
    const std::size_t kept = std::min(owed_, units);
    owed_ -= kept;
    available_ += units - kept;
    while (!waiters_.empty() && waiters_.front().units <= available_) {
      available_ -= waiters_.front().units;
      waiters_.front().waiter.resume();
      waiters_.pop_front();
    }
  }

  std::size_t capacity_;
  std::size_t available_;
  std::size_t owed_ = 0;  ///< units to be kept back when they are returned
  std::deque<Queued> waiters_;
};

inline void Permit::release() {
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->give_back(std::exchange(units_, 0));
}

/// Tasks that run side by side and are waited for together. join() before the group ends.
class TaskGroup {
 public:
  explicit TaskGroup(Ring& ring) noexcept : ring_(ring) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Members may spawn further members. Starts as Ring::spawn() does.
  void spawn(Task<void> task) {
    ++running_;
    ring_.adopt(run_member(*this, std::move(task)));
  }
  [[nodiscard]] std::size_t running() const noexcept { return running_; }

  /// `co_await join()` returns when no member runs, and throws the first exception a member threw.
  /// One at a time; the group may be used again afterwards.
  auto join() noexcept { return Awaiter{*this}; }

 private:
  struct Awaiter {
    TaskGroup& group;
    [[nodiscard]] bool await_ready() const noexcept { return group.running_ == 0; }
    void await_suspend(std::coroutine_handle<> coroutine) const noexcept {
      group.joiner_ = detail::Waiter::suspended(coroutine);
    }
    void await_resume() const {
      if (group.exception_) std::rethrow_exception(std::exchange(group.exception_, nullptr));
    }
  };

  static Root run_member(TaskGroup& group, Task<void> task) {
    try {
      co_await std::move(task);
    } catch (...) {
      if (!group.exception_) group.exception_ = std::current_exception();
    }
    group.leave();
  }

  void leave() {
    if (--running_ == 0 && joiner_.ring != nullptr) std::exchange(joiner_, {}).resume();
  }

  Ring& ring_;
  std::size_t running_ = 0;
  detail::Waiter joiner_;
  std::exception_ptr exception_;
};

}  // namespace mirrorfs::ring
