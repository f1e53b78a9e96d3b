// What zsh offers behind the names of the programs, from the tables that they read their options
// by.
#pragma once

#include <string>

namespace mirrorfs::completion {

/// Functions for a folder of $fpath: "_mirrorfs" and "_mirrorctl".
[[nodiscard]] std::string zsh_for_mirrorfs();
[[nodiscard]] std::string zsh_for_mirrorctl();

}  // namespace mirrorfs::completion
