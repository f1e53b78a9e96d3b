#include "fs/control/names_json.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "mirrorfs/printable.h"

namespace mirrorfs::control {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string from_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char digit : text) {
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) break;  // padding
    group = (group << 6 | static_cast<std::uint32_t>(value)) & 0xffffffU;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(group >> bits & 0xffU);
  }
  return bytes;
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view three = bytes.substr(i, 3);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < three.size() ? static_cast<unsigned char>(three[j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= three.size() ? kDigits[group >> (18 - 6 * j) & 0x3fU] : '=';
    }
  }
  return text;
}

void put_name(nlohmann::json& object, const std::string& key, std::string_view name) {
  if (is_utf8(name)) {
    object[key] = name;
    return;
  }
  object[key] = printable(name);
  object[key + "_base64"] = base64(name);
}

std::string name_from(const nlohmann::json& object, const std::string& key) {
  if (!object.is_object()) return {};
  const auto bytes = object.find(key + "_base64");
  if (bytes != object.end() && bytes->is_string()) return from_base64(bytes->get<std::string>());
  return object.value(key, std::string());
}

}  // namespace mirrorfs::control
