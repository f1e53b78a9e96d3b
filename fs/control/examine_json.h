// ExamineRequest and its answer on the control socket.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "mirrorfs/examine.h"

namespace mirrorfs::control {

/// The request for as many of the paths from `first` on as a line may hold; at least one.
[[nodiscard]] nlohmann::json examine_json(const ExamineRequest& request, std::size_t first);
/// Nothing: that is no such request.
[[nodiscard]] std::optional<ExamineRequest> examine_request_from(const nlohmann::json& body);

[[nodiscard]] nlohmann::json findings_json(const std::vector<Examined>& findings);
[[nodiscard]] std::vector<Examined> findings_from(const nlohmann::json& body);

}  // namespace mirrorfs::control
