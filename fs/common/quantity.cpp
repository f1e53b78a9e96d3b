#include "fs/common/quantity.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace mirrorfs {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

/// log2 of the factor a suffix stands for, 0 when it is none.
unsigned suffix_shift(char suffix) {
  switch (suffix) {
    case 'K':
    case 'k': return 10;
    case 'M':
    case 'm': return 20;
    case 'G':
    case 'g': return 30;
    default: return 0;
  }
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped_at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped_at != end || value > most) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const unsigned shift = text.empty() ? 0 : suffix_shift(text.back());
  if (shift != 0) text.remove_suffix(1);
  const auto count = parse_count(text, kMost >> shift);
  if (!count) return std::nullopt;
  return *count << shift;
}

std::optional<double> parse_seconds(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped_at, error] =
      std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc() || stopped_at != end || !std::isfinite(value) || std::signbit(value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace mirrorfs
