// What is asked of the kernel at INIT.
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include "fs/session/transport.h"

namespace mirrorfs::fs {

/// Turns on what the handlers rely on, as far as the kernel has it, and says which transport the
/// connection gets.
[[nodiscard]] Transport request_features(fuse_conn_info& connection, Transport wanted);

/// Asks for passthrough of files on filesystems that are not stacked on others, so that others can
/// be stacked on the mount; says whether the kernel has it.
[[nodiscard]] bool request_passthrough(fuse_conn_info& connection);

}  // namespace mirrorfs::fs
