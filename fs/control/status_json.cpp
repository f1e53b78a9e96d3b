#include "fs/control/status_json.h"

#include <nlohmann/json.hpp>

namespace mirrorfs::control {
namespace {

using nlohmann::json;

json baseline_json(const BaselineProgress& baseline) {
  return {{"running", baseline.running},
          {"files_done", baseline.files_done},
          {"files_total", baseline.files_total},
          {"bytes_done", baseline.bytes_done},
          {"bytes_total", baseline.bytes_total}};
}

json recovery_json(const RecoveryProgress& recovery) {
  return {{"running", recovery.running},
          {"marks", recovery.marks},
          {"objects", recovery.objects},
          {"bytes", recovery.bytes}};
}

json failed_json(const std::vector<FailedObject>& failed) {
  json list = json::array();
  for (const FailedObject& object : failed) {
    list.push_back({{"path", object.path}, {"cause", object.cause}});
  }
  return list;
}

}  // namespace

json status_json(const EngineStatus& engine, const DaemonStatus& daemon) {
  const auto uptime = std::chrono::steady_clock::now() - daemon.started;
  return {
      {"state", to_string(engine.state)},
      {"lag_seconds", engine.lag_seconds},
      {"queued_ops", engine.queued_ops},
      {"queued_bytes", engine.queued_bytes},
      {"completed_seq", engine.completed.value},
      {"applied_seq", engine.applied.value},
      {"durable_seq", engine.durable.value},
      {"marks", engine.marks},
      {"errors_total", engine.errors_total},
      {"last_error", engine.last_error},
      {"bytes_replicated_total", engine.bytes_replicated_total},
      {"ops_replicated_total", engine.ops_replicated_total},
      {"baseline", baseline_json(engine.baseline)},
      {"recovery", recovery_json(engine.recovery)},
      {"journal_marks", engine.journal_marks},
      {"failed", failed_json(engine.failed)},
      {"losses", engine.losses.names()},
      {"tolerated", engine.tolerated.names()},
      {"mode", daemon.mode},
      {"io", daemon.io},
      {"passthrough_opens", daemon.passthrough_opens},
      {"passthrough_refused", daemon.passthrough_refused},
      {"transport", daemon.transport},
      {"source", daemon.source},
      {"replica", daemon.replica},
      {"mount", daemon.mount},
      {"pid", daemon.pid},
      {"uid", daemon.uid},
      {"stopping", daemon.stopping},
      {"known_nodes", daemon.known_nodes},
      {"uptime_seconds", std::chrono::duration<double>(uptime).count()},
  };
}

std::string to_line(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace mirrorfs::control
