#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "fs/control/mount_record.h"
#include "fs/control/names_json.h"
#include "fs/control/status_json.h"
#include "fs/ctl/commands.h"
#include "fs/ctl/daemon_calls.h"
#include "fs/ctl/format.h"
#include "fs/ctl/health.h"
#include "fs/ctl/terminal.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr auto kWatchInterval = 1s;

Answer<std::vector<MountReport>> gather(const Arguments& arguments) {
  if (arguments.paths.empty()) return expected_mounts();
  std::vector<MountReport> one;
  one.push_back(report_of(arguments.paths[0]));
  // The words for what is not there are the same for all commands.
  if (!one[0].status.is_object()) {
    const auto status = status_of(arguments.paths[0]);
    if (!status) return std::unexpected(status.error());
    one[0].status = *status;
  }
  return one;
}

/// As `status` shows it: of a daemon that does not answer, what is known without it.
json shown(const MountReport& report) {
  json status = report.status;
  if (!status.is_object()) {
    status = {{"state", to_string(report.presence)}};
    control::put_name(status, "mount", report.mount);
    control::put_name(status, "cause", report.detail);
  }
  status["presence"] = to_string(report.presence);
  control::put_name(status, "presence_detail", report.detail);
  return status;
}

std::vector<json> shown(const std::vector<MountReport>& reports) {
  std::vector<json> all;
  for (const MountReport& report : reports) all.push_back(shown(report));
  return all;
}

/// One object for a named mount, else a list, also of none or one.
std::string as_json(const Arguments& arguments, const std::vector<json>& all) {
  return control::to_line(arguments.paths.empty() ? json(all) : all.front()) + "\n";
}

/// What a human sees, with rates against the statuses of the round before.
class Screen {
 public:
  std::string draw(const std::vector<json>& all) {
    std::map<std::string, json> seen;
    std::string text;
    for (const json& status : all) {
      const std::string mount = status.value("mount", "");
      const auto earlier = earlier_.find(mount);
      const auto rates =
          earlier == earlier_.end() ? std::nullopt : rates_between(earlier->second, status);
      text += human_status(status, rates, colors_);
      seen[mount] = status;
    }
    earlier_ = std::move(seen);
    return text.empty() ? "no mirrorfs mount of yours is running\n" : text;
  }

 private:
  const bool colors_ = wants_colors(stdout);
  std::map<std::string, json> earlier_;
};

bool print(const std::string& text) {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
}

/// The mount that was watched is gone: 0 only when its replica is complete.
int tell_end(const std::filesystem::path& mount, const std::string& why) {
  const MountReport report = report_of(mount);
  const auto record = control::read_mount_record(report.mount);
  const bool complete = record && record->state == "complete";
  std::fprintf(stderr, "mirrorctl: %s\n", printable(why).c_str());
  if (complete) return kExitYes;
  return record && record->state == "incomplete" ? kExitNo : kExitFailed;
}

}  // namespace

int run_status(const Arguments& arguments) {
  Screen screen;
  const bool clear = arguments.watch && !arguments.json && is_terminal(stdout);
  for (bool first = true;; first = false) {
    const auto reports = gather(arguments);
    if (!reports && first) return complain(reports.error());
    if (!reports) return tell_end(arguments.paths[0], reports.error());
    const std::vector<json> all = shown(*reports);
    std::string text = arguments.json ? as_json(arguments, all) : screen.draw(all);
    if (clear) text = "\x1b[H\x1b[2J" + cut_lines(text, terminal_width(stdout));
    if (!print(text)) return kExitFailed;
    if (arguments.exit_code) return health_of_all(*reports, kDefaultMaxLag).code;
    if (!arguments.watch) return kExitYes;
    std::this_thread::sleep_for(kWatchInterval);
  }
}

}  // namespace mirrorfs::ctl
