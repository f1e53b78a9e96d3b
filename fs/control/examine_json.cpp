#include "fs/control/examine_json.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "fs/control/names_json.h"

namespace mirrorfs::control {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestList = 40 << 10;  ///< bytes of JSON: a line has 64 KiB
constexpr std::size_t kMostPaths = 256;

constexpr std::array<std::string_view, 5> kFindings = {"equal", "differs", "known", "busy",
                                                       "failed"};

}  // namespace

json examine_json(const ExamineRequest& request, std::size_t first) {
  json paths = json::array();
  std::size_t length = 0;
  for (std::size_t at = first; at < request.paths.size() && paths.size() < kMostPaths; ++at) {
    json entry = json::object();
    put_name(entry, "path", request.paths[at]);
    length += entry.dump().size() + 1;
    if (length > kLongestList && !paths.empty()) break;
    paths.push_back(std::move(entry));
  }
  const std::chrono::duration<double> patience = request.patience;
  return {{"request", "examine"},
          {"paths", std::move(paths)},
          {"full", request.full},
          {"repair", request.repair},
          {"patience", patience.count()}};
}

std::optional<ExamineRequest> examine_request_from(const json& body) {
  const auto paths = body.find("paths");
  if (paths == body.end() || !paths->is_array()) return std::nullopt;
  ExamineRequest request;
  request.full = body.value("full", false);
  request.repair = body.value("repair", false);
  for (const json& entry : *paths) {
    if (!entry.is_object() || !entry.contains("path")) return std::nullopt;
    request.paths.push_back(name_from(entry, "path"));
  }
  const double patience = std::clamp(body.value("patience", 5.0), 0.0, 3600.0);
  request.patience =
      std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(patience));
  return request;
}

json findings_json(const std::vector<Examined>& findings) {
  json list = json::array();
  for (const Examined& one : findings) {
    json entry = {{"finding", kFindings.at(static_cast<std::size_t>(one.finding))}};
    put_name(entry, "what", one.what);
    list.push_back(std::move(entry));
  }
  return {{"findings", std::move(list)}};
}

std::vector<Examined> findings_from(const json& body) {
  std::vector<Examined> findings;
  for (const json& entry : body.value("findings", json::array())) {
    const auto* const kind = std::ranges::find(kFindings, entry.value("finding", std::string()));
    if (kind == kFindings.end()) return {};
    findings.push_back({static_cast<Finding>(kind - kFindings.begin()), name_from(entry, "what")});
  }
  return findings;
}

}  // namespace mirrorfs::control
