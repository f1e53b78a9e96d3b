// Who is told of changes of state: the log, the service manager, the user's own command.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "fs/daemon/event_command.h"
#include "fs/daemon/options.h"
#include "fs/daemon/state_watch.h"
#include "mirrorfs/repeat_limit.h"

namespace mirrorfs {

/// What --on-event's command finds in its environment.
[[nodiscard]] EventFacts event_facts(const DaemonOptions& options, const StateChange& change);

class StateReport {
 public:
  explicit StateReport(const DaemonOptions& options);

  /// One thread at a time. Waits for nothing but the log.
  void tell(const StateChange& change);
  /// After the last change: the command for it has run.
  void finish();

 private:
  void log_change(const StateChange& change);

  const DaemonOptions& options_;
  std::unique_ptr<EventCommand> command_;  ///< null: none was given
  RepeatLimit lines_{5, std::chrono::minutes(1)};
};

}  // namespace mirrorfs
