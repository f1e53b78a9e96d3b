// Why a mirror is in the state that it is in, in words.
#pragma once

#include <string>

#include "mirrorfs/status.h"

namespace mirrorfs::control {

/// For people; names in it are as they are (printable() where one line is wanted). Empty in sync.
[[nodiscard]] std::string state_cause(const EngineStatus& status);

}  // namespace mirrorfs::control
