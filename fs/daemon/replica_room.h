// How much room is left on the replica's filesystem, which may hang.
#pragma once

#include <optional>

#include "fs/control/status_json.h"

namespace mirrorfs {

/// Any thread; waits for a moment at most. Nothing: the replica does not answer, or not yet after
/// it was asked the last time. While it hangs, one thread hangs with it.
[[nodiscard]] std::optional<control::DaemonStatus::Room> replica_room(int replica_root);

}  // namespace mirrorfs
