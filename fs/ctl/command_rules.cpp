#include "fs/ctl/command_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "fs/common/quantity.h"
#include "mirrorfs/exclude.h"

namespace mirrorfs::ctl {
namespace {

using Command = Arguments::Command;

constexpr Option kJson{"--json", "",
                       [](Arguments& a, const std::string&) { return a.json = true; }};
constexpr Option kWatch{"--watch", "",
                        [](Arguments& a, const std::string&) { return a.watch = true; }};
constexpr Option kExitCode{"--exit-code", "",
                           [](Arguments& a, const std::string&) { return a.exit_code = true; }};
constexpr Option kMaxLag{"--max-lag", "seconds, such as 30 or 0.5",
                         [](Arguments& a, const std::string& value) {
                           a.max_lag = parse_seconds(value);
                           return a.max_lag.has_value();
                         }};
constexpr Option kTextfile{"--textfile", "a file", [](Arguments& a, const std::string& value) {
                             a.textfile = value;
                             return !value.empty();
                           }};
constexpr Option kFull{"--full", "",
                       [](Arguments& a, const std::string&) { return a.full = true; }};
constexpr Option kRepair{"--repair", "",
                         [](Arguments& a, const std::string&) { return a.repair = true; }};
constexpr Option kDryRun{"--dry-run", "",
                         [](Arguments& a, const std::string&) { return a.dry_run = true; }};
constexpr Option kProgress{"--progress", "",
                           [](Arguments& a, const std::string&) { return a.progress = true; }};
constexpr Option kStats{"--stats", "",
                        [](Arguments& a, const std::string&) { return a.stats = true; }};
constexpr Option kAdopt{"--adopt", "",
                        [](Arguments& a, const std::string&) { return a.adopt = true; }};

constexpr Option kMaxDelete{"--max-delete", "a number of objects, or a percentage such as 50%",
                            [](Arguments& a, const std::string& value) {
                              const auto limit = parse_removal_limit(value);
                              a.max_delete = limit.value_or(RemovalLimit{});
                              return limit.has_value();
                            }};
constexpr Option kTolerate{"--tolerate", "a list of owner, mode, xattr, acl, times, links, special",
                           [](Arguments& a, const std::string& value) {
                             a.tolerate = parse_losses(value);
                             return a.tolerate.has_value();
                           }};
bool add_exclude(Arguments& a, const std::string& value) {
  if (const std::string_view fault = fault_of_pattern(value); !fault.empty()) {
    a.refusal = fmt::format("'{}': {}", value, fault);
    return false;
  }
  if (!a.exclude) a.exclude.emplace();
  a.exclude->push_back(value);
  return true;
}

bool add_exclude_from(Arguments& a, const std::string& value) {
  auto patterns = patterns_of_file(value);
  if (!patterns) {
    a.refusal = std::move(patterns.error());
    return false;
  }
  if (!a.exclude) a.exclude.emplace();
  std::ranges::move(*patterns, std::back_inserter(*a.exclude));
  return true;
}

constexpr Option kExclude{"--exclude", "a pattern by the rules of gitignore", add_exclude};
constexpr Option kExcludeFrom{"--exclude-from", "a file of patterns", add_exclude_from};
constexpr Option kTimeout{"--timeout", "seconds, such as 30 or 0.5",
                          [](Arguments& a, const std::string& value) {
                            a.timeout = parse_seconds(value);
                            return a.timeout.has_value();
                          }};
constexpr Option kCheck{"--check", "quick or full", [](Arguments& a, const std::string& value) {
                          a.full = value == "full";
                          return a.full || value == "quick";
                        }};

constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

constexpr std::array kStatusOptions = {kJson, kWatch, kExitCode};
constexpr std::array kCheckOptions = {kMaxLag};
constexpr std::array kMetricsOptions = {kTextfile};
constexpr std::array kPairsOptions = {kJson};
constexpr std::array kWaitOptions = {kTimeout};
constexpr std::array kVerifyOptions = {kFull, kJson, kRepair, kMaxDelete};
constexpr std::array kSyncOptions = {kCheck, kDryRun,    kProgress, kStats,   kJson,
                                     kAdopt, kMaxDelete, kTolerate, kExclude, kExcludeFrom};

constexpr std::array kCommands = {
    CommandRule{"status", Command::kStatus, "[MNT] [--json] [--watch] [--exit-code]", 0, 1,
                kStatusOptions},
    CommandRule{"check", Command::kCheck, "[MNT] [--max-lag=SECONDS]", 0, 1, kCheckOptions},
    CommandRule{"metrics", Command::kMetrics, "[MNT] [--textfile=FILE]", 0, 1, kMetricsOptions},
    CommandRule{"set", Command::kSet, "MNT OPTION=VALUE...", 1, 1, {}},
    CommandRule{"wait", Command::kWait, "MNT [PATH...] [--timeout=SECONDS]", 1, kAnyNumber,
                kWaitOptions},
    CommandRule{"verify", Command::kVerify,
                "MNT | SRC DST [--full] [--json] [--repair] [--max-delete=N|N%]", 1, 2,
                kVerifyOptions},
    CommandRule{"sync", Command::kSync,
                "SRC DST [--check=quick|full] [--dry-run] [--progress] [--stats] [--json] "
                "[--adopt] [--max-delete=N|N%] [--tolerate=LIST] [--exclude=PATTERN] "
                "[--exclude-from=FILE]",
                2, 2, kSyncOptions},
    CommandRule{"pause", Command::kPause, "MNT", 1, 1, {}},
    CommandRule{"resume", Command::kResume, "MNT", 1, 1, {}},
    CommandRule{"pairs", Command::kPairs, "[--json]", 0, 0, kPairsOptions},
    CommandRule{"promote", Command::kPromote, "DST", 1, 1, {}},
};

}  // namespace

std::span<const CommandRule> command_rules() { return kCommands; }

std::string help_text() {
  std::string text =
      "Queries and controls running mirrorfs mounts, and compares or copies trees.\n\n";
  for (const CommandRule& rule : kCommands) {
    text += fmt::format("  mirrorctl {:<7} {}\n", rule.name, rule.usage);
  }
  text += R"(
status   state, lag, queue and progress; of all mounts when no MNT is given
check    for monitoring: one line; exit code 0 good, 1 late, degraded or paused, 2 dead, hung or
         absent; without MNT of all mounts that are there or should be
metrics  the same and more for Prometheus; --textfile=FILE for node_exporter
set      changes options of a running mount: mode, queue-size, overflow, on-dst-error, ...
wait     returns when all that completed before the call is durable on the replica; with PATHs
         in MNT: all that completed there
verify   compares the trees of a mount, or any two; --full: the content too, --repair: make DST equal
sync     copies SRC to DST once, with all attributes; what SRC lacks is removed from DST
pause    stops applying; operations queue up until resume
pairs    every pair this machine knows, with roles and generations
promote  DST is the source from now on; what it mirrored is older

Exit codes: 0 done or identical; 1 the answer is no (differences, timeout, objects that could not be
copied); 2 usage or failure.
)";
  return text;
}

}  // namespace mirrorfs::ctl
