// An independent judge of two trees: shares no code with the engine.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calls.h"

namespace mirrorfs::test {

/// What there is to know of one object, as (field, value) for people to read.
using Facts = std::map<std::string, std::string>;
/// By path relative to the root; "." is the root itself.
using Snapshot = std::map<std::string, Facts>;

/// Names, types, content (a digest), mode, owner, mtime in nanoseconds, extended attributes, the
/// names linked together, symlink targets, device numbers. `.mirrorfs` in the root is left out.
[[nodiscard]] Snapshot snapshot(const Path& root);

/// One line per difference: path, field, both values.
[[nodiscard]] std::vector<std::string> differences(const Snapshot& left, const Snapshot& right);

/// The two snapshots and their differences; at most `most` lines, then how many more.
[[nodiscard]] std::string compare_trees(const Path& left, const Path& right, std::size_t most = 20);

}  // namespace mirrorfs::test
