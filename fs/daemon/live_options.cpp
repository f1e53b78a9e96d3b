#include "fs/daemon/live_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "fs/common/quantity.h"
#include "fs/daemon/option_rules.h"
#include "mirrorfs/log.h"

namespace mirrorfs {
namespace {

using Outcome = std::expected<void, std::string>;

std::string names_of_changeable() {
  std::vector<std::string_view> names;
  for (const OptionRule& rule : option_rules()) {
    if (rule.while_mounted) names.push_back(rule.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string scrub_text(std::chrono::seconds period) {
  return period.count() == 0 ? "off" : period_text(period);
}

Outcome apply_setting(DaemonOptions& options, const std::string& setting) {
  const std::size_t equals = setting.find('=');
  const std::string name = setting.substr(0, equals);
  const OptionRule* const rule = find_option_rule(name);
  if (rule == nullptr || !rule->while_mounted) {
    return std::unexpected(
        fmt::format("{}: {}; what can be set while mounted: {}", name,
                    rule == nullptr ? "no such option" : "it can be given at the mount only",
                    names_of_changeable()));
  }
  if (equals == std::string::npos) {
    return std::unexpected(fmt::format("{} needs a value: {}", name, rule->allowed));
  }
  const std::string value = setting.substr(equals + 1);
  if (rule->apply(options, value)) return {};
  return std::unexpected(
      fmt::format("{}={}: not allowed; it must be {}", name, value, rule->allowed));
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return "trace";
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarn: return "warn";
    case LogLevel::kError: return "error";
  }
  return "unknown";
}

Outcome LiveOptions::change(const std::vector<std::string>& settings, Mirror& mirror) {
  const std::lock_guard lock(mutex_);
  DaemonOptions changed = options_;
  for (const std::string& setting : settings) {
    if (auto applied = apply_setting(changed, setting); !applied) return applied;
  }
  // Files that the kernel writes by itself are open so already, and the open policy does not know.
  const bool may_bypass = options_.io == "auto" && options_.mirror.mode != Mode::kSync;
  if (may_bypass && changed.mirror.mode == Mode::kSync) {
    return std::unexpected(
        "mode=sync: with --io=auto it can be given at the mount only; set it on a mount with "
        "--io=through");
  }
  mirror.change({.mode = changed.mirror.mode,
                 .overflow = changed.mirror.overflow,
                 .on_replica_error = changed.mirror.on_replica_error,
                 .queue_size = changed.mirror.queue_size,
                 .scrub = changed.mirror.scrub,
                 .rate_limit = changed.mirror.rate_limit});
  set_log_level(changed.log_level);
  options_ = std::move(changed);
  for (const std::string& setting : settings) log_info("set by mirrorctl: {}", setting);
  return {};
}

DaemonOptions LiveOptions::current() const {
  const std::lock_guard lock(mutex_);
  return options_;
}

std::vector<std::pair<std::string, std::string>> changeable(const DaemonOptions& options) {
  return {{"mode", std::string(to_string(options.mirror.mode))},
          {"queue-size", std::to_string(options.mirror.queue_size)},
          {"overflow", std::string(to_string(options.mirror.overflow))},
          {"on-dst-error", std::string(to_string(options.mirror.on_replica_error))},
          {"scrub", scrub_text(options.mirror.scrub)},
          {"rate-limit", std::to_string(options.mirror.rate_limit)},
          {"drain-timeout", std::to_string(options.drain_timeout.count())},
          {"log-level", std::string(to_string(options.log_level))}};
}

}  // namespace mirrorfs
