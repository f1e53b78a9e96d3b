// One mirror from the opening of its trees to the end of its drain.
#pragma once

#include <atomic>
#include <chrono>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <string>

#include "fs/control/server.h"
#include "fs/control/status_json.h"
#include "fs/daemon/live_options.h"
#include "fs/daemon/options.h"
#include "fs/daemon/state_report.h"
#include "fs/daemon/state_watch.h"
#include "fs/daemon/stop_signals.h"
#include "fs/session/session.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs {

/// ready() or failed() is called at most once.
struct StartListener {
  /// The mount answers; any thread. An error ends the daemon: this mount is no longer wanted.
  std::function<Result<void>()> ready;
  /// One line fit for the user. Nothing is mounted (any more).
  std::function<void(const std::string& line)> failed;
  /// Before either: one line for whoever mounts, which is in the log as well.
  std::function<void(const std::string& line)> warned;
};

enum ExitCode : int { kExitDone = 0, kExitNotDrained = 1, kExitFailed = 2 };

/// `options` has been through resolve_paths(). No thread runs yet; made and run by the main thread.
class Daemon {
 public:
  Daemon(DaemonOptions options, StartListener listener);

  /// Mounts, serves until unmounted or told to stop, then drains.
  [[nodiscard]] ExitCode run();

 private:
  using Outcome = std::expected<void, std::string>;

  [[nodiscard]] Outcome bring_up();
  [[nodiscard]] Outcome open_and_mount();
  [[nodiscard]] Outcome start_threads();
  /// Answers on the control socket from here on; clients that connected before were waiting.
  [[nodiscard]] Result<void> serve_clients();
  [[nodiscard]] SessionOptions session_options();
  /// Waits for INIT, asks the mount itself, and notifies the waiting parent. A thread of its own.
  void confirm_mount(std::future<bool> initialized);
  void on_signal(int number);
  /// Ends the process as if killed, so that the next mount repairs the replica.
  [[noreturn]] void leave_undrained();
  [[nodiscard]] ExitCode drain();
  [[nodiscard]] control::DaemonStatus status() const;
  /// For who asks when there is no daemon any more.
  void record(const std::string& state, const std::string& cause = {}) const noexcept;
  [[nodiscard]] std::string drain_line() const;
  /// Why the drain has not completed.
  [[nodiscard]] std::string incomplete_line(std::chrono::duration<double> took, bool in_time) const;

  const DaemonOptions options_;
  LiveOptions live_options_{options_};  ///< where they differ, these are in force
  const StartListener listener_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();

  std::unique_ptr<Mirror> mirror_;
  std::unique_ptr<control::ControlSocket> socket_;
  UniqueFd records_;  ///< the directory of what became of mounts (fs/control/mount_record.h)
  std::unique_ptr<Session> session_;
  std::unique_ptr<control::Server> server_;  ///< null until the mount was seen to answer
  std::unique_ptr<StopSignals> signals_;
  std::unique_ptr<StateReport> report_;
  std::unique_ptr<StateWatch> watch_;

  std::promise<bool> initialized_;  ///< false: the session ended before INIT
  std::atomic<bool> init_seen_ = false;
  std::atomic<bool> confirmed_ = false;
  std::atomic<int> stop_signals_ = 0;
  std::atomic<bool> draining_ = false;
};

/// The words for libfuse and the kernel: what the user gave and what mirrorfs always wants.
[[nodiscard]] std::vector<std::string> fuse_options_for(const DaemonOptions& options, bool is_root);

}  // namespace mirrorfs
