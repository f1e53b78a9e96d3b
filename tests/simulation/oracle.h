// The judge of two trees, by system calls of its own: shares nothing with the engine.
#pragma once

#include <string>
#include <vector>

namespace mirrorfs::simulation {

/// Names, types, content, mode, owner, mtime in nanoseconds, extended attributes, which names are
/// one object, symlink targets, device numbers. `.mirrorfs` in the replica's root is left out. One
/// line per difference, at most `most`.
[[nodiscard]] std::vector<std::string> differences(int source_root, int replica_root,
                                                   std::size_t most = 12);

}  // namespace mirrorfs::simulation
