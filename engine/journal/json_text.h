// Times and paths in the JSON of records.
#pragma once

#include <time.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace mirrorfs::journal {

[[nodiscard]] inline nlohmann::json time_json(const timespec& time) {
  return {time.tv_sec, time.tv_nsec};
}
[[nodiscard]] inline timespec time_from(const nlohmann::json& body) {
  return {.tv_sec = body.at(0).get<time_t>(), .tv_nsec = body.at(1).get<long>()};
}

/// A path may hold bytes that are not UTF-8; JSON may not. Such a path is written with all bytes
/// beyond ASCII as %XX, as is every %.
[[nodiscard]] std::string path_text(std::string_view path);
[[nodiscard]] std::string path_from(std::string_view text);

}  // namespace mirrorfs::journal
