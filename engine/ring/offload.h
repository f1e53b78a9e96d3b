// Awaitable that runs a blocking function on a helper thread.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "engine/ring/helper_pool.h"

namespace mirrorfs::ring {

class Ring;

/// Yields what the function returns, by value, or throws what it threw.
template <class F>
class [[nodiscard]] Offload final : public HelperJob {
 public:
  using Value = std::invoke_result_t<F&>;
  static_assert(!std::is_reference_v<Value>);

  Offload(Ring& ring, F&& function)
      : HelperJob(call), ring_(ring), function_(std::move(function)) {}
  Offload(Ring& ring, const F& function) : HelperJob(call), ring_(ring), function_(function) {}

  static constexpr bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter);  // in ring.h

  Value await_resume() {
    if (exception_) std::rethrow_exception(exception_);
    if constexpr (!std::is_void_v<Value>) return std::move(*value_);
  }

 private:
  using Stored = std::conditional_t<std::is_void_v<Value>, std::monostate, Value>;

  static void call(HelperJob& job) noexcept {
    auto& self = static_cast<Offload&>(job);
    try {
      if constexpr (std::is_void_v<Value>) {
        self.function_();
      } else {
        self.value_.emplace(self.function_());
      }
    } catch (...) {
      self.exception_ = std::current_exception();
    }
  }

  Ring& ring_;
  F function_;
  std::optional<Stored> value_;
  std::exception_ptr exception_;
};

}  // namespace mirrorfs::ring
