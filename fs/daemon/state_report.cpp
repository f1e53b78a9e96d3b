#include "fs/daemon/state_report.h"

#include <unistd.h>

#include "fs/daemon/service_manager.h"
#include "mirrorfs/log.h"
#include "mirrorfs/printable.h"

namespace mirrorfs {
namespace {

LogLevel level_of(const std::string& state) {
  if (state == "degraded" || state == "incomplete") return LogLevel::kError;
  return state == "catching-up" ? LogLevel::kWarn : LogLevel::kInfo;
}

std::string with_cause(const StateChange& change) {
  return change.cause.empty() ? change.state : change.state + ": " + change.cause;
}

}  // namespace

EventFacts event_facts(const DaemonOptions& options, const StateChange& change) {
  const EngineStatus& engine = change.status;
  return {{"MIRRORFS_STATE", change.state},
          {"MIRRORFS_PREVIOUS_STATE", change.previous},
          {"MIRRORFS_PREVIOUS_SECONDS", fmt::format("{:.3f}", change.previous_seconds)},
          {"MIRRORFS_CAUSE", printable(change.cause)},
          {"MIRRORFS_SOURCE", options.mirror.source.native()},
          {"MIRRORFS_REPLICA", options.mirror.replica.native()},
          {"MIRRORFS_MOUNT", options.mount_point.native()},
          {"MIRRORFS_MARKS", std::to_string(engine.marks)},
          {"MIRRORFS_LAG", fmt::format("{:.3f}", engine.lag_seconds)},
          {"MIRRORFS_QUEUED_OPS", std::to_string(engine.queued_ops)},
          {"MIRRORFS_QUEUED_BYTES", std::to_string(engine.queued_bytes)},
          {"MIRRORFS_ERRORS", std::to_string(engine.errors_total)},
          {"MIRRORFS_LAST_ERROR", printable(engine.last_error)},
          {"MIRRORFS_PID", std::to_string(getpid())}};
}

StateReport::StateReport(const DaemonOptions& options) : options_(options) {
  if (!options.on_event.empty()) command_ = std::make_unique<EventCommand>(options.on_event);
}

void StateReport::tell(const StateChange& change) {
  log_change(change);
  service_manager::tell_status(with_cause(change));
  if (command_) command_->report(event_facts(options_, change));
}

void StateReport::log_change(const StateChange& change) {
  const auto left_out = lines_.admit(change.previous + ">" + change.state);
  if (!left_out) return;
  const std::string from =
      change.previous.empty()
          ? std::string()
          : fmt::format("{} for {:.1f} s, now ", change.previous, change.previous_seconds);
  const std::string rest =
      *left_out == 0 ? "" : fmt::format(" ({} such changes are not shown here)", *left_out);
  log(level_of(change.state), "state: {}{}{}", from, with_cause(change), rest);
}

void StateReport::finish() {
  if (command_) command_->finish();
}

}  // namespace mirrorfs
