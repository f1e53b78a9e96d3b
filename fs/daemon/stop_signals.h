// SIGTERM and SIGINT, which stop the daemon, and SIGHUP, which reopens its log, as calls on a
// thread of their own, not as signal handlers.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs {

class StopSignals {
 public:
  /// Blocks these signals for the calling thread and all that it starts later; ignores SIGPIPE.
  /// Call it before the first thread.
  [[nodiscard]] static Result<void> block();

  /// `on_signal(number)` runs on the watching thread, once per signal.
  [[nodiscard]] static Result<std::unique_ptr<StopSignals>> watch(
      std::function<void(int number)> on_signal);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  StopSignals(UniqueFd signals, UniqueFd wake_up, std::function<void(int)> on_signal);
  void loop();

  const UniqueFd signals_;  ///< signalfd(2)
  const UniqueFd wake_up_;  ///< eventfd(2)
  const std::function<void(int)> on_signal_;
  std::thread thread_;
};

}  // namespace mirrorfs
