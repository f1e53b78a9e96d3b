#include "fs/ctl/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "fs/control/names_json.h"
#include "fs/ctl/format.h"

namespace mirrorfs::ctl {
namespace {

constexpr int kGood = 0, kLate = 1, kGone = 2;

/// The words that monitoring systems know for exit codes.
constexpr std::array kWords = {"OK", "WARNING", "CRITICAL"};

std::string with_cause(const nlohmann::json& status, const std::string& state) {
  const std::string cause = printable(control::name_from(status, "cause"));
  return cause.empty() ? state : state + ": " + cause;
}

Health health_of_served(const nlohmann::json& status, double max_lag) {
  const std::string state = status.value("state", "unknown");
  const double lag = status.value("lag_seconds", 0.0);
  const std::string behind = fmt::format("lag {}", human_duration(lag));
  const bool working = state == "in-sync" || state == "lagging" || state == "catching-up";
  if (!working) return {kLate, fmt::format("{} ({})", with_cause(status, state), behind)};
  if (lag > max_lag) {
    return {kLate, fmt::format("{}, {}, more than {}", with_cause(status, state), behind,
                               human_duration(max_lag))};
  }
  return {kGood, fmt::format("{}, {}", state, behind)};
}

}  // namespace

Health health_of(const MountReport& report, double max_lag) {
  if (report.presence == Presence::kServed) return health_of_served(report.status, max_lag);
  const std::string why =
      fmt::format("{}: {}", to_string(report.presence), printable(report.detail));
  return {report.presence == Presence::kDraining ? kLate : kGone, why};
}

Health health_of_all(std::span<const MountReport> reports, double max_lag) {
  if (reports.empty()) return {kGone, "CRITICAL: no mirrorfs mount is there, or should be"};
  std::vector<std::pair<int, std::string>> bad;
  std::string good;
  for (const MountReport& report : reports) {
    const Health health = health_of(report, max_lag);
    std::string line = fmt::format("'{}' {}", printable(report.mount), health.why);
    if (health.code != kGood) {
      bad.emplace_back(health.code, std::move(line));
    } else {
      good = std::move(line);
    }
  }
  std::ranges::stable_sort(bad, std::greater<>(), &std::pair<int, std::string>::first);
  if (bad.empty() && reports.size() == 1) return {kGood, fmt::format("OK: {}", good)};
  if (bad.empty()) return {kGood, fmt::format("OK: all {} mirrors are good", reports.size())};
  const int worst = bad.front().first;
  std::string text = fmt::format("{}: ", kWords[static_cast<std::size_t>(worst)]);
  for (std::size_t i = 0; i < bad.size(); ++i) text += (i == 0 ? "" : "; ") + bad[i].second;
  if (reports.size() > 1) {
    text += fmt::format("; {} of {} mirrors are good", reports.size() - bad.size(), reports.size());
  }
  return {worst, text};
}

}  // namespace mirrorfs::ctl
