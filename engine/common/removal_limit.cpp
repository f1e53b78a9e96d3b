#include "mirrorfs/removal_limit.h"

#include <charconv>

namespace mirrorfs {

std::optional<RemovalLimit> parse_removal_limit(std::string_view text) {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const char* const end = text.data() + text.size();
  RemovalLimit limit;
  if (percent) {
    double value = 0;
    const auto parsed = std::from_chars(text.data(), end, value, std::chars_format::fixed);
    const bool good = parsed.ec == std::errc() && parsed.ptr == end && value >= 0 && value <= 100;
    if (!good) return std::nullopt;
    limit.percent = value;
    return limit;
  }
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  limit.count = value;
  return limit;
}

}  // namespace mirrorfs
