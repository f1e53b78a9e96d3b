// What an interrupted run left in the staging folder.
#pragma once

#include <string>
#include <vector>

namespace mirrorfs::copy {

/// Removes everything in the folder, at any depth, with two descriptors: a directory inside another
/// is first moved up. What cannot be removed stays. Direct calls: start-up only.
void remove_leftovers(int folder);

/// All names but "." and ".."; none where they cannot be read. Direct calls.
[[nodiscard]] std::vector<std::string> names_in(int dirfd);

}  // namespace mirrorfs::copy
