// Task: the coroutine type of the engine.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace mirrorfs::ring {

template <class T = void>
class Task;

namespace detail {

class TaskPromiseBase {
 public:
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      TaskPromiseBase& promise = self.promise();
      if (promise.starting_) return std::noop_coroutine();
      return promise.continuation_;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

 protected:
  void rethrow_if_failed() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  template <class>
  friend class ring::Task;

  std::coroutine_handle<> continuation_;
  std::exception_ptr exception_;
  bool starting_ = false;
};

template <class T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow_if_failed();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const { rethrow_if_failed(); }
};

}  // namespace detail

/// A lazily started coroutine that yields a T by value; it starts when it is awaited, on the thread
/// that awaits it. Await it once: `co_await std::move(task)` or `co_await make_task()`. Exceptions
/// come out of the co_await; they are for what cannot happen, errors travel as Result.
///
/// Everything a task refers to by reference or pointer has to outlive it; parameters taken by value
/// live in its frame.
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;

  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  auto operator co_await() && noexcept { return Awaiter{coroutine_}; }

 private:
  friend promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  struct Awaiter {
    Handle coroutine;

    bool await_ready() const noexcept { return false; }
    // The child runs inside this call until it waits for the first time. If it ends without
    // waiting, its awaiter goes on by returning from here: a loop over such children does not grow
    // the stack, even where the compiler makes no tail calls (GCC makes none at -O0 and under
    // sanitizers). A child that waited transfers to its awaiter from its final suspension point.
    bool await_suspend(std::coroutine_handle<> awaiting) const {
      detail::TaskPromiseBase& promise = coroutine.promise();
      promise.continuation_ = awaiting;
      promise.starting_ = true;
      coroutine.resume();
      if (coroutine.done()) return false;
      promise.starting_ = false;
      return true;
    }
    T await_resume() const { return coroutine.promise().take(); }
  };

  explicit Task(Handle coroutine) noexcept : coroutine_(coroutine) {}

  Handle coroutine_;
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace detail
}  // namespace mirrorfs::ring
