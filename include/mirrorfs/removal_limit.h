// --max-delete: how much a baseline, check or sync may remove from the replica.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mirrorfs {

/// By default: nothing where the source is empty, and of 100 objects or more at most half.
struct RemovalLimit {
  std::optional<std::uint64_t> count;
  std::optional<double> percent;  ///< of the replica's objects
};

/// "N" or "N%"; nothing else.
[[nodiscard]] std::optional<RemovalLimit> parse_removal_limit(std::string_view text);

}  // namespace mirrorfs
