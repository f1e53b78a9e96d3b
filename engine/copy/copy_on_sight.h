// Copies a regular file that the replica lacks without a look at it before.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "engine/copy/transfer.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/types.h"

namespace mirrorfs::copy {

struct SightRules {
  ObjectId directory;  ///< of the source
  dev_t device;        ///< of the source's filesystem, which stamps_with_our_clock()
  /// Called with the bytes about to be read of a large file, and with minus as many afterwards.
  const std::function<void(std::int64_t)>& expected;
};

/// What is known of a source file after an attempt to copy it.
struct Sighting {
  std::optional<Metadata> seen;  ///< absent: it has to be looked at
  bool published = false;
  bool too_large = false;   ///< for a hidden directory; then nothing was tried
  std::uint64_t bytes = 0;  ///< written, if it was published
};

/// Its one statx, after the content was read, tells both the attributes and whether it stayed as it
/// was: its ctime is older than the copy, which counts only where stamps_with_our_clock(). Not
/// published, or an error: nothing happened, the ordinary way is to be taken.
[[nodiscard]] ring::Task<Result<Sighting>> copy_on_sight(Transfer& transfer,
                                                         const SightRules& rules);

}  // namespace mirrorfs::copy
