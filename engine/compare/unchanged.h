// Which objects are known to be as the last sync left them.
#pragma once

#include "engine/objects/rights.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/tree_tools.h"

namespace mirrorfs::compare {

/// Considers the two objects alone, not the directories above them. False where something is
/// mounted on one of them, for that shows in no ctime, and on filesystems that keep whole seconds.
[[nodiscard]] bool is_unchanged(const UnchangedSince& before, const Metadata& source,
                                const Metadata& replica);

/// The same of the two roots, which may be what is mounted.
[[nodiscard]] bool roots_are_unchanged(const UnchangedSince& before, const Metadata& source,
                                       const Metadata& replica);

/// Whether something is mounted on it.
[[nodiscard]] bool is_mount_point(const Metadata& object);

/// Whether all mirrored attributes that statx(2) returns are the same.
[[nodiscard]] bool same_by_metadata(const Metadata& source, const Metadata& replica,
                                    objects::Rights rights);

}  // namespace mirrorfs::compare
