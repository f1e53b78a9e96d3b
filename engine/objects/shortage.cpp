#include "engine/objects/shortage.h"

#include <cerrno>
#include <chrono>

#include "engine/ring/ring.h"

namespace mirrorfs::objects {

bool is_shortage(int code) { return code == EMFILE || code == ENFILE || code == ENOMEM; }

ring::Task<bool> wait_out(ring::Ring& ring, Shortages& shortages) {
  constexpr unsigned kMost = 11;
  if (shortages.met >= kMost) co_return false;
  const std::chrono::milliseconds pause(1U << shortages.met++);
  const bool slept = co_await ring.sleep(pause);
  co_return slept;
}

}  // namespace mirrorfs::objects
