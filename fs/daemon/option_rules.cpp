#include "fs/daemon/option_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "fs/common/quantity.h"
#include "mirrorfs/exclude.h"

namespace mirrorfs {
namespace {

constexpr std::uint64_t kSmallestQueue = 64ULL << 10;
constexpr std::uint64_t kSlowestRate = 1 << 10;
constexpr std::uint64_t kMostThreads = 1024;
constexpr std::uint64_t kLongestDrain = 30ULL * 24 * 3600;

template <class T>
bool choose(T& target, std::string_view value,
            std::initializer_list<std::pair<std::string_view, T>> choices) {
  for (const auto& [name, meaning] : choices) {
    if (name != value) continue;
    target = meaning;
    return true;
  }
  return false;
}

bool set_mode(DaemonOptions& options, const std::string& value) {
  return choose<Mode>(options.mirror.mode, value,
                      {{"async", Mode::kAsync}, {"fsync", Mode::kFsync}, {"sync", Mode::kSync}});
}

bool set_io(DaemonOptions& options, const std::string& value) {
  return choose<std::string>(options.io, value, {{"auto", "auto"}, {"through", "through"}});
}

bool set_transport(DaemonOptions& options, const std::string& value) {
  return choose<std::string>(options.transport, value,
                             {{"auto", "auto"}, {"uring", "uring"}, {"dev", "dev"}});
}

bool set_queue_size(DaemonOptions& options, const std::string& value) {
  const auto size = parse_size(value);
  if (!size || *size < kSmallestQueue) return false;
  options.mirror.queue_size = *size;
  return true;
}

bool set_overflow(DaemonOptions& options, const std::string& value) {
  return choose<Overflow>(options.mirror.overflow, value,
                          {{"catch-up", Overflow::kCatchUp}, {"throttle", Overflow::kThrottle}});
}

bool set_on_replica_error(DaemonOptions& options, const std::string& value) {
  return choose<OnReplicaError>(
      options.mirror.on_replica_error, value,
      {{"degrade", OnReplicaError::kDegrade}, {"fail", OnReplicaError::kFail}});
}

bool set_check(DaemonOptions& options, const std::string& value) {
  return choose<Check>(options.mirror.check, value,
                       {{"none", Check::kNone}, {"quick", Check::kQuick}, {"full", Check::kFull}});
}

bool set_journal(DaemonOptions& options, const std::string& value) {
  return choose<JournalKind>(options.mirror.journal, value,
                             {{"fast", JournalKind::kFast},
                              {"durable", JournalKind::kDurable},
                              {"off", JournalKind::kOff}});
}

bool set_state_dir(DaemonOptions& options, const std::string& value) {
  options.mirror.state_dir = value;
  return !value.empty();
}

bool set_replica(DaemonOptions& options, const std::string& value) {
  options.mirror.replica = value;
  return !value.empty();
}

bool set_threads(DaemonOptions& options, const std::string& value) {
  const auto count = parse_count(value, kMostThreads);
  if (!count || *count == 0) return false;
  options.threads = static_cast<unsigned>(*count);
  return true;
}

bool set_drain_timeout(DaemonOptions& options, const std::string& value) {
  const auto seconds = parse_count(value, kLongestDrain);
  if (!seconds) return false;
  options.drain_timeout = std::chrono::seconds(*seconds);
  return true;
}

bool set_log_level(DaemonOptions& options, const std::string& value) {
  return choose<LogLevel>(options.log_level, value,
                          {{"trace", LogLevel::kTrace},
                           {"debug", LogLevel::kDebug},
                           {"info", LogLevel::kInfo},
                           {"warn", LogLevel::kWarn},
                           {"error", LogLevel::kError}});
}

bool set_log_file(DaemonOptions& options, const std::string& value) {
  options.log_file = value;
  return !value.empty();
}

bool set_on_event(DaemonOptions& options, const std::string& value) {
  options.on_event = value;
  return !value.empty();
}

bool set_attr_timeout(DaemonOptions& options, const std::string& value) {
  const auto seconds = parse_seconds(value);
  options.attr_timeout = seconds.value_or(options.attr_timeout);
  return seconds.has_value();
}

bool set_entry_timeout(DaemonOptions& options, const std::string& value) {
  const auto seconds = parse_seconds(value);
  if (seconds) options.entry_timeout = seconds;
  return seconds.has_value();
}

bool set_scrub(DaemonOptions& options, const std::string& value) {
  const auto period = value == "off" ? std::chrono::seconds(0) : parse_period(value);
  options.mirror.scrub = period.value_or(std::chrono::seconds(0));
  return period.has_value();
}

bool set_rate_limit(DaemonOptions& options, const std::string& value) {
  const auto rate = value == "off" ? std::optional<std::uint64_t>(0) : parse_size(value);
  if (!rate || (*rate < kSlowestRate && *rate != 0)) return false;
  options.mirror.rate_limit = *rate;
  return true;
}

bool set_adopt(DaemonOptions& options, const std::string&) { return options.mirror.adopt = true; }

bool set_one_file_system(DaemonOptions& options, const std::string&) {
  return options.mirror.one_file_system = true;
}

bool add_exclude(DaemonOptions& options, const std::string& value) {
  if (const std::string_view fault = fault_of_pattern(value); !fault.empty()) {
    options.refusal = fmt::format("'{}': {}", value, fault);
    return false;
  }
  options.mirror.exclude.push_back(value);
  return true;
}

bool add_exclude_from(DaemonOptions& options, const std::string& value) {
  auto patterns = patterns_of_file(value);
  if (!patterns) {
    options.refusal = std::move(patterns.error());
    return false;
  }
  std::ranges::move(*patterns, std::back_inserter(options.mirror.exclude));
  return true;
}

bool set_max_delete(DaemonOptions& options, const std::string& value) {
  const auto limit = parse_removal_limit(value);
  options.mirror.max_delete = limit.value_or(RemovalLimit{});
  return limit.has_value();
}

bool set_tolerate(DaemonOptions& options, const std::string& value) {
  const auto losses = parse_losses(value);
  options.mirror.tolerate = losses.value_or(Losses());
  return losses.has_value();
}

bool set_foreground(DaemonOptions& options, const std::string&) {
  return options.foreground = true;
}

bool set_allow_other_off(DaemonOptions& options, const std::string&) {
  return options.allow_other_off = true;
}

constexpr std::array kRules = {
    OptionRule{"mode", true, "async, fsync or sync", set_mode, true},
    OptionRule{"io", true, "auto or through", set_io},
    OptionRule{"transport", true, "auto, uring or dev", set_transport},
    OptionRule{"queue-size", true, "a SIZE from 64K up, such as 512K, 256M or 1G", set_queue_size,
               true},
    OptionRule{"overflow", true, "catch-up or throttle", set_overflow, true},
    OptionRule{"on-dst-error", true, "degrade or fail", set_on_replica_error, true},
    OptionRule{"check", true, "none, quick or full", set_check},
    OptionRule{"journal", true, "fast or durable", set_journal},
    OptionRule{"scrub", true, "off, or the time of a pass, such as 12h or 7d (at most a year)",
               set_scrub, true},
    OptionRule{"rate-limit", true, "off, or a SIZE a second from 1K up, such as 20M",
               set_rate_limit, true},
    OptionRule{"adopt", false, "", set_adopt},
    OptionRule{"one-file-system", false, "", set_one_file_system},
    OptionRule{"exclude", true, "a pattern by the rules of gitignore, such as '*.o' or build/",
               add_exclude},
    OptionRule{"exclude-from", true, "a file of patterns", add_exclude_from},
    OptionRule{"max-delete", true, "a number of objects, or a percentage such as 50%",
               set_max_delete},
    OptionRule{"tolerate", true, "a list of owner, mode, xattr, acl, times, links, special",
               set_tolerate},
    OptionRule{"state-dir", true, "a directory", set_state_dir},
    OptionRule{"threads", true, "a number from 1 to 1024", set_threads},
    OptionRule{"drain-timeout", true, "whole SECONDS, at most 30 days", set_drain_timeout, true},
    OptionRule{"attr-timeout", true, "SECONDS, such as 0 or 1.5", set_attr_timeout},
    OptionRule{"entry-timeout", true, "SECONDS, such as 0 or 1.5", set_entry_timeout},
    OptionRule{"foreground", false, "", set_foreground},
    OptionRule{"log-level", true, "trace, debug, info, warn or error", set_log_level, true},
    OptionRule{"log-file", true, "a file", set_log_file},
    OptionRule{"on-event", true, "a shell command", set_on_event},
    OptionRule{"dst", true, "the replica's directory", set_replica, false, false},
    OptionRule{"attr_timeout", true, "SECONDS, such as 0 or 1.5", set_attr_timeout, false, false},
    OptionRule{"entry_timeout", true, "SECONDS, such as 0 or 1.5", set_entry_timeout, false, false},
    OptionRule{"no_allow_other", false, "", set_allow_other_off, false, false},
};

}  // namespace

std::span<const OptionRule> option_rules() { return kRules; }

const OptionRule* find_option_rule(std::string_view name) {
  const auto found = std::ranges::find(kRules, name, &OptionRule::name);
  return found == kRules.end() ? nullptr : &*found;
}

}  // namespace mirrorfs
