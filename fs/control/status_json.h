// The status as JSON: the body of `mirrorctl status --json`, with the keys that scripts rely on.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "mirrorfs/status.h"

namespace mirrorfs::control {

/// The daemon's part of the status, beside the engine's.
struct DaemonStatus {
  std::string mode, io, transport;  ///< what is in use, not what was asked for
  std::string source, replica, mount;
  pid_t pid = 0;
  uid_t uid = 0;
  std::chrono::steady_clock::time_point started;
  bool stopping = false;                  ///< unmounted, applying what is queued
  std::uint64_t passthrough_opens = 0;    ///< that the kernel serves by itself, so far
  std::uint64_t passthrough_refused = 0;  ///< that it refused to: through the daemon
  std::uint64_t outdated_files = 0;       ///< written past the daemon since they were captured
  std::uint64_t known_nodes = 0;          ///< objects that the kernel or open handles refer to
  std::uint64_t queue_size = 0;           ///< bytes
  std::uint64_t rate_limit = 0;           ///< bytes per second; 0: none
  std::string overflow, on_replica_error, log_level;
  std::uint64_t drain_timeout = 0;              ///< seconds
  std::int64_t state_since = 0;                 ///< seconds since 1970
  std::map<std::string, double> state_seconds;  ///< how long it was in each state
  struct Room {
    std::uint64_t bytes = 0, inodes = 0;  ///< free, for who runs the daemon
  };
  std::optional<Room> replica_room;  ///< none: the replica does not answer
};

[[nodiscard]] nlohmann::json status_json(const EngineStatus& engine, const DaemonStatus& daemon);

/// One line. Bytes that are not UTF-8, which JSON cannot hold, show as U+FFFD.
[[nodiscard]] std::string to_line(const nlohmann::json& value);

}  // namespace mirrorfs::control
