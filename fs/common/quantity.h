// Numbers as people write them on a command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mirrorfs {

/// "4096", "64K", "256M", "1G" (powers of 1024, either case). Empty for anything else, also when
/// the number of bytes does not fit.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// Decimal digits only, at most `most`.
[[nodiscard]] std::optional<std::uint64_t> parse_count(std::string_view text, std::uint64_t most);

/// Seconds with an optional fraction: "0", "1.5". Never negative.
[[nodiscard]] std::optional<double> parse_seconds(std::string_view text);

/// A time from a second to a year: "30s", "12h", "7d", "2w"; without a unit it is seconds.
[[nodiscard]] std::optional<std::chrono::seconds> parse_period(std::string_view text);
/// The same in the largest unit that fits: "7d".
[[nodiscard]] std::string period_text(std::chrono::seconds period);

}  // namespace mirrorfs
