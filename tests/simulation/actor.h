// Application tasks and handlers as coroutines that the scheduler of a run steps by hand.
#pragma once

#include <coroutine>
#include <functional>
#include <string>
#include <utility>

#include "engine/ring/task.h"

namespace mirrorfs::simulation {

template <class T = void>
using Task = ring::Task<T>;

/// One thread of control, suspended between any two of its steps. Destroying it drops what it was
/// doing, as the end of its process would.
class Actor {
 public:
  using Condition = std::move_only_function<bool()>;

  Actor(std::string name, Task<void> body);
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  ~Actor();

  /// Up to its next scheduling point. Only when it can_go().
  void step();
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] bool can_go() { return !done_ && (!until_ || until_()); }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// For the report of a run that does not end.
  [[nodiscard]] const char* doing() const { return doing_; }

  /// The one inside step().
  [[nodiscard]] static Actor& current() { return *current_; }

 private:
  friend class SchedulingPoint;
  struct Root {
    struct promise_type {
      Root get_return_object() {
        return {std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_always initial_suspend() const noexcept { return {}; }
      std::suspend_always final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      [[noreturn]] void unhandled_exception() const { throw; }
    };
    std::coroutine_handle<promise_type> coroutine;
  };
  static Root run(Task<void> body, bool& done);

  static inline Actor* current_ = nullptr;

  const std::string name_;
  bool done_ = false;
  const Root root_;
  std::coroutine_handle<> at_;
  Condition until_;
  const char* doing_ = "begins";
};

class [[nodiscard]] SchedulingPoint {
 public:
  explicit SchedulingPoint(const char* doing, Actor::Condition until = nullptr)
      : doing_(doing), until_(std::move(until)) {}
  static bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    Actor& actor = Actor::current();
    actor.at_ = coroutine;
    actor.until_ = std::move(until_);
    actor.doing_ = doing_;
  }
  static void await_resume() noexcept {}

 private:
  const char* const doing_;
  Actor::Condition until_;
};

/// Others may run between what is before and what is behind `co_await step(…)`. The text says what
/// comes next.
inline SchedulingPoint step(const char* doing) { return SchedulingPoint(doing); }
/// The same, not before the condition holds.
inline SchedulingPoint wait_until(const char* doing, Actor::Condition condition) {
  return SchedulingPoint(doing, std::move(condition));
}

}  // namespace mirrorfs::simulation
