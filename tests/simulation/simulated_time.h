// The clock of a run. While it is on, clock_gettime(2) tells its time to all code of the process,
// and sleeping moves it.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace mirrorfs::simulation {

class SimulatedTime {
 public:
  using Duration = std::chrono::nanoseconds;

  static void start() noexcept;
  static void stop() noexcept;
  [[nodiscard]] static bool running() noexcept { return running_; }

  /// Since start().
  [[nodiscard]] static Duration elapsed() noexcept { return elapsed_; }
  static void advance(Duration by) noexcept { elapsed_ += by; }

  [[nodiscard]] static std::chrono::steady_clock::time_point now() noexcept;
  [[nodiscard]] static timespec on(clockid_t clock) noexcept;

 private:
  static inline bool running_ = false;
  static inline Duration elapsed_{0};
};

}  // namespace mirrorfs::simulation
