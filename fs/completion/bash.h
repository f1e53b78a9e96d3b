// What bash offers behind the names of the programs, from the tables that they read their options
// by.
#pragma once

#include <string>

namespace mirrorfs::completion {

[[nodiscard]] std::string bash_for_mirrorfs();
[[nodiscard]] std::string bash_for_mirrorctl();

}  // namespace mirrorfs::completion
