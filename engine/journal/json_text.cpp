#include "engine/journal/json_text.h"

#include <fmt/core.h>

#include <charconv>

namespace mirrorfs::journal {
namespace {

bool is_utf8(std::string_view text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace

std::string path_text(std::string_view path) {
  const bool plain = is_utf8(path);
  std::string text;
  for (const char byte : path) {
    const auto code = static_cast<unsigned char>(byte);
    const bool escaped = byte == '%' || (!plain && code >= 0x80);
    text += escaped ? fmt::format("%{:02x}", code) : std::string(1, byte);
  }
  return text;
}

std::string path_from(std::string_view text) {
  std::string path;
  for (std::size_t at = 0; at < text.size(); ++at) {
    unsigned code = 0;
    const char* const digits = text.data() + at + 1;
    const bool escaped = text[at] == '%' && at + 2 < text.size() &&
                         std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2;
    path += escaped ? static_cast<char>(code) : text[at];
    if (escaped) at += 2;
  }
  return path;
}

}  // namespace mirrorfs::journal
