// Asks a replica's filesystem what it can hold, by trying it out.
//
// Start-up only, before there is a ring: an exception to «every change of the replica goes through
// the Writer», for what is made here stands in DST/.mirrorfs/probe, mirrors nothing and is removed
// again. Everything is relative to descriptors (G7).
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "engine/objects/rights.h"
#include "mirrorfs/capabilities.h"
#include "mirrorfs/error.h"

namespace mirrorfs::replica {

/// `reserved_directory`: of the replica, locked. Fails where nothing can be made there (a full or
/// read-only filesystem): then nothing is known.
[[nodiscard]] Result<Capabilities> probe(int reserved_directory, const objects::Rights& rights);

/// What a probe that was interrupted has left.
void remove_probe(int reserved_directory);

/// Of what the filesystem cannot hold, that which this process would mirror: the attributes that it
/// may set and that the source's root filesystem has.
[[nodiscard]] Losses losses_that_matter(const Capabilities& replica, int source_root,
                                        const objects::Rights& rights);

struct Examination {
  int source_root = -1;
  int reserved_directory = -1;
  std::string replica_path;  ///< for messages
  Losses tolerated;
  /// As an earlier start found it; a replica that loses anything is asked again.
  std::optional<Capabilities> known;
};

/// The error is one line for the user: what is lost, and not tolerated. Nothing in the result: it
/// cannot be asked for now.
[[nodiscard]] std::expected<std::optional<Capabilities>, std::string> examine(
    const Examination& what);

}  // namespace mirrorfs::replica
