// What of a source a server must hold.
#pragma once

#include <set>
#include <string>

#include "tree_compare.h"

namespace mirrorfs::test {

/// Names of losses, as --tolerate takes them, and of others:
using Losses = std::set<std::string>;
inline constexpr const char* kSymlinkOwner = "symlink owner";  ///< only symlinks lose theirs
/// Of the line with which mirrorfs refuses a replica; empty where it is none.
[[nodiscard]] Losses losses_in_refusal(const std::string& line);
/// For --tolerate.
[[nodiscard]] std::string to_tolerate(const Losses& losses);

/// One line per difference between the source and a server's own directory, apart from the losses
/// and from what a server keeps there of its own.
[[nodiscard]] std::string compare_with_stored(const Path& source, const Path& stored,
                                              const Losses& losses, std::size_t most = 20);

}  // namespace mirrorfs::test
