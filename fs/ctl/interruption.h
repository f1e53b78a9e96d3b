// SIGINT and SIGTERM during a long command.
#pragma once

#include <signal.h>

#include <array>
#include <atomic>

namespace mirrorfs::ctl {

/// While it lives, the first signal is noted instead of ending the process; a second one ends it.
/// One at a time.
class Interruption {
 public:
  Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption();

  [[nodiscard]] const std::atomic<bool>& noted() const;

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM};
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace mirrorfs::ctl
