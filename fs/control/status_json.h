// The status as JSON: the body of `mirrorctl status --json`, with the keys that scripts rely on.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
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
  std::uint64_t known_nodes = 0;          ///< objects that the kernel or open handles refer to
};

[[nodiscard]] nlohmann::json status_json(const EngineStatus& engine, const DaemonStatus& daemon);

/// One line. Bytes that are not UTF-8, which JSON cannot hold, show as U+FFFD.
[[nodiscard]] std::string to_line(const nlohmann::json& value);

}  // namespace mirrorfs::control
