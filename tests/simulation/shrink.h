// Makes a failing run small: fewer sessions, applications, faults, operations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace mirrorfs::simulation {

/// Options under which the seed still breaks the same promise, and the least that was found is left
/// of it; nullopt: it does not fail to begin with.
[[nodiscard]] std::optional<std::string> shrink(std::uint64_t seed, const std::string& options);

}  // namespace mirrorfs::simulation
