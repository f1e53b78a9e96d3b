#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "fs/control/status_json.h"
#include "fs/ctl/commands.h"
#include "fs/ctl/daemon_calls.h"
#include "fs/ctl/format.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr auto kWatchInterval = 1s;

Answer<std::vector<json>> gather(const Arguments& arguments) {
  if (arguments.paths.empty()) return status_of_all();
  auto status = status_of(arguments.paths[0]);
  if (!status) return std::unexpected(status.error());
  return std::vector<json>{std::move(*status)};
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
      text +=
          human_status(status, earlier == earlier_.end() ? std::nullopt
                                                         : rates_between(earlier->second, status));
      seen[mount] = status;
    }
    earlier_ = std::move(seen);
    return text.empty() ? "no mirrorfs mount of yours is running\n" : text;
  }

 private:
  std::map<std::string, json> earlier_;
};

bool print(const std::string& text) {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
}

}  // namespace

int run_status(const Arguments& arguments) {
  Screen screen;
  const bool clear = arguments.watch && !arguments.json && isatty(STDOUT_FILENO) == 1;
  for (bool first = true;; first = false) {
    const auto all = gather(arguments);
    if (!all && first) return complain(all.error());
    if (!all) return kExitYes;  // the mount that was watched has ended
    std::string text = arguments.json ? as_json(arguments, *all) : screen.draw(*all);
    if (clear) text.insert(0, "\x1b[H\x1b[2J");
    if (!print(text)) return kExitFailed;
    if (!arguments.watch) return kExitYes;
    std::this_thread::sleep_for(kWatchInterval);
  }
}

}  // namespace mirrorfs::ctl
