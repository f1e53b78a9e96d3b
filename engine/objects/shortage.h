// Too few descriptors, or too little memory: ours, or the system's.
#pragma once

#include "engine/ring/task.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::objects {

[[nodiscard]] bool is_shortage(int code);

/// How often one piece of work has met a shortage.
struct Shortages {
  unsigned met = 0;
};

/// Waits, each time longer, for others to give back what is short; false when that took too long
/// already, about two seconds, or the ring is stopping. Ring thread.
[[nodiscard]] ring::Task<bool> wait_out(ring::Ring& ring, Shortages& shortages);

}  // namespace mirrorfs::objects
