// Application tasks and handlers as coroutines that the scheduler of a run steps by hand.
#pragma once

#include <coroutine>
#include <functional>
#include <string>
#include <type_traits>
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

  /// For SchedulingPoint.
  void suspend(std::coroutine_handle<> coroutine, const char* doing, Condition until) {
    at_ = coroutine;
    doing_ = doing;
    until_ = std::move(until);
  }

  /// The one inside step().
  [[nodiscard]] static Actor& current() { return *current_; }

 private:
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

/// Trivially copyable, with all it holds: GCC 12 destroys others twice within co_await expressions.
template <class Condition>
class [[nodiscard]] SchedulingPoint {
  static_assert(std::is_trivially_copyable_v<Condition>);

 public:
  SchedulingPoint(const char* doing, Condition until) : doing_(doing), until_(until) {}
  static bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    Actor::current().suspend(coroutine, doing_, until_);
  }
  static void await_resume() noexcept {}

 private:
  const char* const doing_;
  const Condition until_;
};

/// Others may run between what is before and what is behind `co_await step(…)`. The text says what
/// comes next.
inline auto step(const char* doing) { return SchedulingPoint(doing, nullptr); }
/// The same, not before the condition holds.
template <class Condition>
auto wait_until(const char* doing, Condition condition) {
  return SchedulingPoint(doing, condition);
}

}  // namespace mirrorfs::simulation
