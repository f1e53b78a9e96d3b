// Notices changes of the mirror's state, and tells whoever has to know.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "mirrorfs/mirror.h"

namespace mirrorfs {

struct StateChange {
  std::string state, previous;  ///< previous: empty at first
  std::string cause;            ///< names in it are as they are
  double previous_seconds = 0;  ///< how long that lasted
  EngineStatus status;
};

/// Since when it is as it is, and how long it was how.
struct StateHistory {
  std::chrono::system_clock::time_point since;
  std::map<std::string, double> seconds;  ///< by state, up to now
};

/// Sleeps while nothing happens; while something does, looks a few times a second. What lasts
/// shorter may go by unseen, but for what look() has returned to somebody. Any thread.
class StateWatch {
 public:
  /// `on_change` is called with a lock held, in the order of the changes: it must not call back,
  /// nor wait. `status` may take half a second.
  StateWatch(std::function<EngineStatus()> status,
             std::function<void(const StateChange&)> on_change);
  ~StateWatch() { stop(); }
  StateWatch(const StateWatch&) = delete;
  StateWatch& operator=(const StateWatch&) = delete;

  void start();
  void stop();
  /// Something may have changed. Cheap, never blocks for long.
  void wake() noexcept;

  /// A state beyond those of the engine: «draining», «complete», «incomplete».
  void enter(const std::string& state, const std::string& cause, const EngineStatus& status);
  /// Asks for the status, and notes it.
  EngineStatus look();
  [[nodiscard]] StateHistory history() const;

 private:
  using Clock = std::chrono::steady_clock;

  void loop();
  /// True when there is nothing more to see until wake().
  [[nodiscard]] static bool settled(const EngineStatus& status);
  void note(std::uint64_t look, const EngineStatus& status);
  void change_to(const std::string& state, const std::string& cause, const EngineStatus& status);

  const std::function<EngineStatus()> status_;
  const std::function<void(const StateChange&)> on_change_;

  std::atomic<std::uint64_t> looks_{0};
  mutable std::mutex mutex_;  // guards what follows
  std::uint64_t last_look_ = 0;
  std::string state_;
  bool engine_counts_ = true;  ///< false: enter() was called
  Clock::time_point entered_;
  StateHistory history_;

  std::atomic<bool> woken_{false};
  std::mutex wake_mutex_;  // guards stopping_
  std::condition_variable wake_up_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace mirrorfs
