// The ways requests come from the kernel: /dev/fuse, or rings (FUSE over io_uring, Linux 6.14).
#pragma once

#include <string_view>

#include "mirrorfs/error.h"

namespace mirrorfs::fs {

enum class Transport { kDevice, kUring };

/// The kernel offers rings: its `fuse` module has the parameter enable_uring, and it is on.
[[nodiscard]] bool kernel_offers_uring();
/// This libfuse knows the option io_uring (3.18), and takes replies from any thread.
[[nodiscard]] bool library_offers_uring();

/// What to ask for, given --transport: "auto", "uring" or "dev". EINVAL for another word, ENOTSUP
/// when rings were demanded and are not to be had.
[[nodiscard]] Result<Transport> choose_transport(std::string_view option, bool uring_offered);

}  // namespace mirrorfs::fs
