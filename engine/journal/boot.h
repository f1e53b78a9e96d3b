// Which run of the machine this is.
#pragma once

#include <string>

namespace mirrorfs::journal {

/// The kernel's random id of this boot; empty where /proc does not tell it.
[[nodiscard]] std::string boot_id();

}  // namespace mirrorfs::journal
