// Permissions that an ordinary user needs before it can change its own directories.
#pragma once

#include "engine/objects/rights.h"
#include "engine/ring/task.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::objects {

/// Gives the owner all rights on a directory that lacks some, where `rights` need it. True if it
/// did. A negative `dirfd` has nothing to open up. Ring thread.
[[nodiscard]] ring::Task<bool> open_up(ring::Ring& ring, int dirfd, Rights rights);

}  // namespace mirrorfs::objects
