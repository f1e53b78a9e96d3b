#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "engine/exclude/patterns.h"
#include "mirrorfs/exclude.h"

namespace mirrorfs {

std::string_view fault_of_pattern(std::string_view pattern) {
  return exclude::Patterns::fault_of(pattern);
}

std::expected<std::vector<std::string>, std::string> patterns_of_file(
    const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream content;
  // A peek tells what cannot be read; to copy nothing fails as well.
  const bool empty = stream.peek() == std::ifstream::traits_type::eof();
  if (!empty) content << stream.rdbuf();
  if (!stream.is_open() || stream.bad() || !content) {
    const int code = errno;
    return std::unexpected(fmt::format("{}: cannot be read: {}", file.native(),
                                       std::strerror(code != 0 ? code : EIO)));
  }
  const std::string text = content.str();
  std::vector<std::string> patterns;
  std::size_t number = 0;
  for (const std::string_view line : exclude::lines_of(text)) {
    ++number;
    if (line.empty()) continue;
    if (const std::string_view fault = exclude::Patterns::fault_of(line); !fault.empty()) {
      return std::unexpected(fmt::format("{}:{}: '{}': {}", file.native(), number, line, fault));
    }
    patterns.emplace_back(line);
  }
  return patterns;
}

}  // namespace mirrorfs
