// The judge of two trees, by system calls of its own: shares nothing with the engine.
#pragma once

#include <string>
#include <vector>

#include "git_rules.h"

namespace mirrorfs::simulation {

/// Names, types, content, mode, owner, mtime in nanoseconds, extended attributes, which names are
/// one object, symlink targets, device numbers. `.mirrorfs` in the replica's root is left out. One
/// line per difference, at most `most`. What the rules exclude, as one of the sides has it, does
/// not count, nor do directories that the replica alone has for it.
[[nodiscard]] std::vector<std::string> differences(int source_root, int replica_root,
                                                   std::size_t most = 12,
                                                   const GitRules& rules = {});

}  // namespace mirrorfs::simulation
