// What a filesystem can hold, as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "mirrorfs/capabilities.h"

namespace mirrorfs::journal {

[[nodiscard]] nlohmann::json to_json(const Capabilities& capabilities);
/// What is not there counts as held. Throws nlohmann::json::exception.
[[nodiscard]] Capabilities capabilities_from(const nlohmann::json& body);

}  // namespace mirrorfs::journal
