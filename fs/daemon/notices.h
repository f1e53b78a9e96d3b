// What the log says at the start about limits of this mount.
#pragma once

namespace mirrorfs {

void log_notices();

}  // namespace mirrorfs
