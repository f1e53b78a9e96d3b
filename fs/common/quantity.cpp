#include "fs/common/quantity.h"

#include <array>
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

struct TimeUnit {
  char suffix;
  std::uint64_t seconds;
};
constexpr std::array<TimeUnit, 5> kTimeUnits = {
    {{'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};
constexpr std::uint64_t kLongestPeriod = 366ULL * 86400;

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

std::optional<std::chrono::seconds> parse_period(std::string_view text) {
  std::uint64_t unit = 1;
  for (const auto& [suffix, seconds] : kTimeUnits) {
    if (!text.ends_with(suffix)) continue;
    unit = seconds;
    text.remove_suffix(1);
    break;
  }
  const auto count = parse_count(text, kLongestPeriod / unit);
  if (!count || *count == 0) return std::nullopt;
  return std::chrono::seconds(*count * unit);
}

std::string period_text(std::chrono::seconds period) {
  const auto count = static_cast<std::uint64_t>(period.count());
  for (const auto& [suffix, seconds] : kTimeUnits) {
    if (suffix != 'w' && count % seconds == 0) return std::to_string(count / seconds) + suffix;
  }
  return std::to_string(count);
}

}  // namespace mirrorfs
