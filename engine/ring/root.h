// The outermost coroutine of a spawned task: owned by its ring.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>

namespace mirrorfs::ring {

/// The roots of one ring that have not ended, as a circular list through their promises.
struct RootLink {
  RootLink* previous = this;
  RootLink* next = this;

  RootLink() noexcept = default;
  RootLink(const RootLink&) = delete;
  RootLink& operator=(const RootLink&) = delete;
  ~RootLink() { unlink(); }

  [[nodiscard]] bool alone() const noexcept { return next == this; }
  void insert_before(RootLink& position) noexcept {
    previous = position.previous;
    next = &position;
    previous->next = this;
    position.previous = this;
  }
  void unlink() noexcept {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
  }
};

/// Return type of a coroutine that is handed to Ring::adopt(). Its frame frees itself when it ends;
/// an exception out of it ends the process: nobody waits who could take it.
class Root {
 public:
  struct promise_type : RootLink {
    Root get_return_object() noexcept { return Root(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  using Handle = std::coroutine_handle<promise_type>;

 private:
  friend class Ring;
  explicit Root(Handle coroutine) noexcept : coroutine_(coroutine) {}

  Handle coroutine_;
};

}  // namespace mirrorfs::ring
