// What the control socket can be asked, answered from the Mirror.
//
//   {"request": "status"}               → {"ok": true, "status": {…}}
//   {"request": "wait", "timeout": 5}   → {"ok": true, "done": true}    timeout in seconds, may be
//   absent
//   {"request": "pause"}, "resume"      → {"ok": true}
//   {"request": "trees"}                → {"ok": true, "source": "…", "replica": "…"} with two
//                                         descriptors: the roots of source and replica
//   anything that fails                 → {"ok": false, "error": "…"}
#pragma once

#include <functional>

#include "fs/control/server.h"
#include "fs/control/status_json.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::control {

/// The mirror and the function live as long as the handler is in use. Safe from any thread if
/// `daemon_status` is.
/// `capture` records what only the mount can see to have changed: before each wait.
[[nodiscard]] Handler answer_from(
    Mirror& mirror, std::function<DaemonStatus()> daemon_status,
    std::function<void()> capture = [] {});

}  // namespace mirrorfs::control
