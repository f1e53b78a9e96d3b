#include "fs/ctl/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <span>
#include <string_view>

#include "fs/common/quantity.h"
#include "mirrorfs/exclude.h"

namespace mirrorfs::ctl {
namespace {

using Command = Arguments::Command;
using Outcome = std::expected<void, std::string>;

struct Option {
  std::string_view name;
  std::string_view allowed;  ///< of the value; empty: takes none
  bool (*apply)(Arguments& arguments, const std::string& value);
};

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

struct CommandRule {
  std::string_view name;
  Command command;
  std::string_view usage;
  std::size_t fewest_paths, most_paths;
  std::span<const Option> options;
};

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

/// "status, wait or verify"
std::string command_names() {
  std::string names;
  for (std::size_t i = 0; i < kCommands.size(); ++i) {
    const char* const before = i == 0 ? "" : i + 1 == kCommands.size() ? " or " : ", ";
    names += fmt::format("{}{}", before, kCommands[i].name);
  }
  return names;
}

std::string usage_of(const CommandRule& rule) {
  return fmt::format("usage: mirrorctl {} {}", rule.name, rule.usage);
}

/// Consumes the option at `index`, and its value if that is the next word.
Outcome apply_option(Arguments& result, const CommandRule& rule,
                     const std::vector<std::string>& words, std::size_t& index) {
  const std::string& word = words[index];
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const auto option = std::ranges::find(rule.options, name, &Option::name);
  if (option == rule.options.end()) {
    return std::unexpected(fmt::format("{}: unknown option; {}", name, usage_of(rule)));
  }
  std::optional<std::string> value;
  if (equals != std::string::npos) value = word.substr(equals + 1);
  if (option->allowed.empty() && value) return std::unexpected(name + " takes no value");
  if (!option->allowed.empty() && !value) {
    if (index + 1 == words.size()) {
      return std::unexpected(fmt::format("{} needs a value: {}", name, option->allowed));
    }
    value = words[++index];
  }
  if (option->apply(result, value.value_or(""))) return {};
  if (!result.refusal.empty()) return std::unexpected(name + ": " + result.refusal);
  return std::unexpected(
      fmt::format("{}={}: not allowed; it must be {}", name, *value, option->allowed));
}

Outcome check_paths(const Arguments& arguments, const CommandRule& rule) {
  const std::size_t count = arguments.paths.size();
  if (count < rule.fewest_paths) {
    const char* const missing = rule.command == Command::kPromote ? "DST"
                                : rule.command != Command::kSync  ? "MNT"
                                : count == 0                      ? "SRC and DST"
                                                                  : "DST";
    return std::unexpected(fmt::format("{}: {} missing; {}", rule.name, missing, usage_of(rule)));
  }
  if (count > rule.most_paths) {
    return std::unexpected(fmt::format("{}: '{}': too many arguments; {}", rule.name,
                                       arguments.paths[rule.most_paths].native(), usage_of(rule)));
  }
  for (const auto& path : arguments.paths) {
    if (path.empty()) return std::unexpected(fmt::format("{}: an empty path", rule.name));
  }
  return {};
}

Outcome check_combination(const Arguments& arguments) {
  if (arguments.command == Arguments::Command::kSet && arguments.settings.empty()) {
    return std::unexpected("set: OPTION=VALUE missing; usage: mirrorctl set MNT OPTION=VALUE...");
  }
  if (arguments.watch && arguments.exit_code) {
    return std::unexpected("--watch and --exit-code cannot be used together");
  }
  if (arguments.json && arguments.progress) {
    return std::unexpected("--json and --progress cannot be used together");
  }
  return {};
}

std::expected<Arguments, std::string> parse_command(const CommandRule& rule,
                                                    const std::vector<std::string>& words) {
  Arguments result;
  result.command = rule.command;
  bool options_ended = false;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (!options_ended && words[i] == "--") {
      options_ended = true;
    } else if (!options_ended && (words[i] == "-h" || words[i] == "--help")) {
      return Arguments{};
    } else if (!options_ended && words[i].size() > 1 && words[i][0] == '-') {
      if (auto applied = apply_option(result, rule, words, i); !applied) {
        return std::unexpected(applied.error());
      }
    } else if (result.command == Command::kSet && !result.paths.empty()) {
      result.settings.push_back(words[i]);
    } else {
      result.paths.emplace_back(words[i]);
    }
  }
  if (auto checked = check_paths(result, rule); !checked) return std::unexpected(checked.error());
  if (auto checked = check_combination(result); !checked) return std::unexpected(checked.error());
  return result;
}

}  // namespace

std::expected<Arguments, std::string> parse_arguments(const std::vector<std::string>& words) {
  Arguments result;
  if (words.empty()) {
    return std::unexpected(
        fmt::format("no command; it must be {} (see mirrorctl --help)", command_names()));
  }
  if (words[0] == "-h" || words[0] == "--help" || words[0] == "help") return result;
  if (words[0] == "-V" || words[0] == "--version") {
    result.command = Command::kVersion;
    return result;
  }
  const auto rule = std::ranges::find(kCommands, words[0], &CommandRule::name);
  if (rule == kCommands.end()) {
    return std::unexpected(
        fmt::format("'{}': unknown command; it must be {}", words[0], command_names()));
  }
  return parse_command(*rule, words);
}

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

std::vector<CommandWords> command_words() {
  std::vector<CommandWords> commands;
  for (const CommandRule& rule : kCommands) {
    CommandWords& command = commands.emplace_back();
    command.name = rule.name;
    for (const Option& option : rule.options) {
      command.options.push_back({option.name, option.allowed});
    }
  }
  return commands;
}

}  // namespace mirrorfs::ctl
