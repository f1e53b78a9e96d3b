// Running out of descriptors or memory: the process's, or the system's.
#pragma once

#include "engine/ring/task.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::objects {

[[nodiscard]] bool is_shortage(int code);

/// How often one piece of work has run into a shortage.
struct Shortages {
  unsigned met = 0;
};

/// Waits, longer each time, until others have released descriptors or memory. False once that has
/// taken too long (about two seconds), or when the ring is stopping. Ring thread.
[[nodiscard]] ring::Task<bool> wait_out(ring::Ring& ring, Shortages& shortages);

}  // namespace mirrorfs::objects
