// What the control socket can be asked, answered from the Mirror.
//
//   {"request": "status"}               → {"ok": true, "status": {…}}
//   {"request": "wait", "timeout": 5}   → {"ok": true, "done": true}    timeout in seconds, may be
//   absent
//   {"request": "mapped"}               → {"ok": true, "nodes": [5, …], "generation": 7}  whose
//   pages
//                                         the kernel should write back before a wait
//   {"request": "examine", "paths": [{"path": "a/b"}, …], "full": true, "repair": true,
//    "patience": 5}                     → {"ok": true, "findings": [{"finding": "differs",
//                                         "what": "content"}, …]}  one for each path
//   {"request": "pause"}, "resume"      → {"ok": true}
//   {"request": "set", "options": ["mode=fsync"]}
//                                       → {"ok": true, "settings": {…}}  all that can be set
//   {"request": "trees"}                → {"ok": true, "source": "…", "replica": "…"} with two
//                                         descriptors: the roots of source and replica
//   anything that fails                 → {"ok": false, "error": "…"}
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fs/control/mapped_files.h"
#include "fs/control/server.h"
#include "fs/control/status_json.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::control {

/// What the handler asks the daemon around the mirror, from any thread.
struct DaemonCalls {
  /// The engine's status, which is taken note of.
  std::function<EngineStatus()> look;
  std::function<DaemonStatus()> status;
  /// Records what only the mount can see to have changed: before each wait.
  std::function<void()> capture;
  std::function<MappedFiles()> mapped;
  /// Changes options, NAME=VALUE each: all or, with one line, none.
  std::function<std::expected<void, std::string>(const std::vector<std::string>&)> set;
  /// Those that can be set, with the values in force.
  std::function<std::vector<std::pair<std::string, std::string>>()> settings;
};

/// The mirror and what is called live as long as the handler is in use.
[[nodiscard]] Handler answer_from(Mirror& mirror, DaemonCalls daemon);

}  // namespace mirrorfs::control
