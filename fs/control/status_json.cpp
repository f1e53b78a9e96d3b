#include "fs/control/status_json.h"

#include <nlohmann/json.hpp>

#include "fs/control/names_json.h"
#include "fs/control/state_cause.h"
#include "mirrorfs/version.h"

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

json seconds_or_null(std::int64_t time) { return time == 0 ? json() : json(time); }

json scrub_json(const ScrubStatus& scrub) {
  return {{"period_seconds", scrub.period.count()},
          {"running", scrub.running},
          {"pass_began", seconds_or_null(scrub.pass_began)},
          {"pass_objects", scrub.pass_objects},
          {"pass_bytes", scrub.pass_bytes},
          {"pass_differences", scrub.pass_differences},
          {"objects_total", scrub.objects_total},
          {"bytes_total", scrub.bytes_total},
          {"differences_total", scrub.differences_total},
          {"passes_total", scrub.passes_total},
          {"last_verify", seconds_or_null(scrub.last_verify)},
          {"last_differences", scrub.last_differences}};
}

json failed_json(const std::vector<FailedObject>& failed) {
  json list = json::array();
  for (const FailedObject& object : failed) {
    json entry = {{"cause", object.cause}};
    put_name(entry, "path", object.path);
    list.push_back(std::move(entry));
  }
  return list;
}

/// The engine knows nothing yet of what was written past the daemon.
MirrorState state_of(const EngineStatus& engine, const DaemonStatus& daemon) {
  const bool behind = engine.state == MirrorState::kInSync && daemon.outdated_files > 0;
  return behind ? MirrorState::kLagging : engine.state;
}

json engine_json(const EngineStatus& engine, const DaemonStatus& daemon) {
  json body = {
      {"state", to_string(state_of(engine, daemon))},
      {"answers", engine.answers},
      {"lag_seconds", engine.lag_seconds},
      {"queued_ops", engine.queued_ops},
      {"queued_bytes", engine.queued_bytes},
      {"completed_seq", engine.completed.value},
      {"applied_seq", engine.applied.value},
      {"durable_seq", engine.durable.value},
      {"marks", engine.marks + daemon.outdated_files},
      {"errors_total", engine.errors_total},
      {"last_error_time", seconds_or_null(engine.last_error_time)},
      {"bytes_replicated_total", engine.bytes_replicated_total},
      {"ops_replicated_total", engine.ops_replicated_total},
      {"baseline", baseline_json(engine.baseline)},
      {"recovery", recovery_json(engine.recovery)},
      {"scrub", scrub_json(engine.scrub)},
      {"journal_marks", engine.journal_marks},
      {"failed", failed_json(engine.failed)},
      {"losses", engine.losses.names()},
      {"tolerated", engine.tolerated.names()},
      {"exclude", engine.exclude},
      {"generation", engine.generation},
  };
  put_name(body, "cause", state_cause(engine));
  put_name(body, "last_error", engine.last_error);
  return body;
}

json daemon_json(const DaemonStatus& daemon) {
  const auto uptime = std::chrono::steady_clock::now() - daemon.started;
  json body = {
      {"version", kVersion},
      {"mode", daemon.mode},
      {"io", daemon.io},
      {"passthrough_opens", daemon.passthrough_opens},
      {"passthrough_refused", daemon.passthrough_refused},
      {"transport", daemon.transport},
      {"queue_size", daemon.queue_size},
      {"rate_limit", daemon.rate_limit},
      {"overflow", daemon.overflow},
      {"on_dst_error", daemon.on_replica_error},
      {"drain_timeout", daemon.drain_timeout},
      {"log_level", daemon.log_level},
      {"pid", daemon.pid},
      {"uid", daemon.uid},
      {"stopping", daemon.stopping},
      {"known_nodes", daemon.known_nodes},
      {"state_since", seconds_or_null(daemon.state_since)},
      {"state_seconds", daemon.state_seconds},
      {"replica_free_bytes", daemon.replica_room ? json(daemon.replica_room->bytes) : json()},
      {"replica_free_inodes", daemon.replica_room ? json(daemon.replica_room->inodes) : json()},
      {"uptime_seconds", std::chrono::duration<double>(uptime).count()},
  };
  put_name(body, "source", daemon.source);
  put_name(body, "replica", daemon.replica);
  put_name(body, "mount", daemon.mount);
  return body;
}

}  // namespace

json status_json(const EngineStatus& engine, const DaemonStatus& daemon) {
  json body = engine_json(engine, daemon);
  body.update(daemon_json(daemon));
  return body;
}

std::string to_line(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace mirrorfs::control
