// check, metrics and set.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "fs/control/names_json.h"
#include "fs/ctl/commands.h"
#include "fs/ctl/daemon_calls.h"
#include "fs/ctl/health.h"
#include "fs/ctl/metrics.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::ctl {
namespace {

std::vector<MountReport> gather(const Arguments& arguments) {
  if (arguments.paths.empty()) return expected_mounts();
  std::vector<MountReport> one;
  one.push_back(report_of(arguments.paths[0]));
  return one;
}

std::string trouble(const std::string& path) {
  return fmt::format("metrics: '{}': {}", path, std::strerror(errno));
}

/// Whole or not at all, also for who reads at this moment, and readable by the collector's user.
/// Empty: done; else what failed.
std::string replace_file(const std::string& path, std::string_view text) {
  const std::string fresh = fmt::format("{}.{}.new", path, getpid());
  UniqueFd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file) return trouble(fresh);
  while (!text.empty()) {
    const ssize_t count = write(file.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (!text.empty() || fchmod(file.get(), 0644) != 0 || fsync(file.get()) != 0 ||
      rename(fresh.c_str(), path.c_str()) != 0) {
    std::string line = trouble(path);
    unlink(fresh.c_str());
    return line;
  }
  return {};
}

}  // namespace

int run_check(const Arguments& arguments) {
  const Health health =
      health_of_all(gather(arguments), arguments.max_lag.value_or(kDefaultMaxLag));
  if (std::puts(health.why.c_str()) < 0 || std::fflush(stdout) != 0) return kExitFailed;
  return health.code;
}

int run_metrics(const Arguments& arguments) {
  const std::string text = metrics_text(gather(arguments));
  if (arguments.textfile.empty()) {
    return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? kExitYes
                                                                             : kExitFailed;
  }
  const std::string failure = replace_file(arguments.textfile, text);
  return failure.empty() ? int{kExitYes} : complain(failure);
}

int run_set(const Arguments& arguments) {
  const auto settings = set_options(arguments.paths[0], arguments.settings);
  if (!settings) return complain("set: " + settings.error());
  for (const auto& [name, value] : settings->items()) {
    std::printf("%s=%s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  return std::fflush(stdout) == 0 ? kExitYes : kExitFailed;
}

}  // namespace mirrorfs::ctl
