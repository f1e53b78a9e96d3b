// What every copy needs, and the bounds on what is under way.
#pragma once

#include <cstddef>

#include "engine/copy/content.h"
#include "engine/copy/hardlinks.h"
#include "engine/copy/staging.h"
#include "engine/exclude/exclusion.h"
#include "engine/objects/rights.h"
#include "engine/replica/writer.h"
#include "engine/ring/sync.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::copy {

/// Bounds on what is under way on one ring, shared by all directories and objects. Ring thread.
struct Limits {
  static constexpr std::size_t kFewestObjects = 4;  ///< however little there is
  static constexpr std::size_t kPieces = 32;
  ring::Semaphore objects{96};  ///< objects in flight: up to two descriptors each
  PieceBudget pieces{kPieces};  ///< memory: kPieceSize each
  /// Files read in one go, before their size is known; as many as objects, so none waits for one.
  PieceBudget sights{96, kSmallFile};
};

/// A value of references, cheap to copy. `staging` may be null as long as nothing is written.
struct Context {
  ring::Ring& ring;
  replica::Writer& writer;
  Staging* staging;
  HardlinkMap& hardlinks;
  Limits& limits;
  objects::Rights rights;
  const exclude::Exclusion* exclusion = nullptr;  ///< none: nothing is excluded

  [[nodiscard]] bool excludes_anything() const {
    return exclusion != nullptr && !exclusion->empty();
  }
};

}  // namespace mirrorfs::copy
