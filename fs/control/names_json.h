// Names of files in JSON, which holds nothing but UTF-8 (RFC 8259).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace mirrorfs::control {

/// {"key": name}; where the name is not UTF-8: {"key": its printable form, "key_base64": its
/// bytes}.
void put_name(nlohmann::json& object, const std::string& key, std::string_view name);

/// The bytes of what put_name() has put; empty where there is none.
[[nodiscard]] std::string name_from(const nlohmann::json& object, const std::string& key);

/// RFC 4648, with padding.
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace mirrorfs::control
