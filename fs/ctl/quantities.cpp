// Numbers for people.
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "fs/ctl/format.h"

namespace mirrorfs::ctl {

std::string human_bytes(double bytes) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  // 1023.95 would be rounded up to the four digits of "1024.0".
  while (unit + 1 < kUnits.size() && bytes >= (unit == 0 ? 1024.0 : 1023.95)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string human_duration(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  const auto pair = [whole](std::uint64_t large, const char* large_unit, std::uint64_t small,
                            const char* small_unit) {
    return fmt::format("{} {} {} {}", whole / large, large_unit, whole % large / small, small_unit);
  };
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return pair(60, "min", 1, "s");
  if (whole < 86400) return pair(3600, "h", 60, "min");
  return pair(86400, "d", 3600, "h");
}

std::string human_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

}  // namespace mirrorfs::ctl
