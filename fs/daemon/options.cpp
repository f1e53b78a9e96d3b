#include "fs/daemon/options.h"

#include <boost/program_options.hpp>

#include <optional>
#include <utility>

#include "fs/common/command_line.h"
#include "fs/daemon/mount_options.h"
#include "fs/daemon/option_rules.h"

namespace mirrorfs {
namespace {

namespace po = boost::program_options;
using Outcome = std::expected<void, std::string>;

constexpr const char* kUsage = "usage: mirrorfs [options] SRC DST MNT (see mirrorfs --help)";

po::options_description describe_options() {
  po::options_description description;
  auto add = description.add_options();
  for (const OptionRule& rule : option_rules()) {
    if (!rule.command_line || rule.name == "foreground") continue;
    const std::string name(rule.name);
    if (rule.takes_value) {
      add(name.c_str(), po::value<std::string>());
    } else {
      add(name.c_str(), "");
    }
  }
  add("foreground,f", "")("help,h", "")("version,V", "");
  add("options,o", po::value<std::string>());
  return description;
}

/// `given_as` is how the user wrote it: "--mode", "-o mode".
Outcome apply_rule(DaemonOptions& options, const OptionRule& rule, const std::string& given_as,
                   const std::optional<std::string>& value) {
  if (rule.takes_value && !value) {
    return std::unexpected(fmt::format("{} needs a value: {}", given_as, rule.allowed));
  }
  if (!rule.takes_value && value) {
    return std::unexpected(fmt::format("{} takes no value", given_as));
  }
  if (!rule.apply(options, value.value_or(""))) {
    if (!options.refusal.empty()) {
      return std::unexpected(fmt::format("{}: {}", given_as, options.refusal));
    }
    return std::unexpected(
        fmt::format("{}={}: not allowed; it must be {}", given_as, *value, rule.allowed));
  }
  options.given.emplace(rule.name);
  return {};
}

Outcome apply_listed_option(DaemonOptions& options, const std::string& option) {
  const std::size_t equals = option.find('=');
  const std::string name = option.substr(0, equals);
  std::optional<std::string> value;
  if (equals != std::string::npos) value = option.substr(equals + 1);
  if (const OptionRule* const rule = find_option_rule(name)) {
    return apply_rule(options, *rule, "-o " + name, value);
  }
  switch (classify_mount_option(option)) {
    case MountOptionKind::kPassedOn: options.fuse_options.push_back(option); return {};
    case MountOptionKind::kDropped: return {};
    case MountOptionKind::kRefused:
      return std::unexpected(fmt::format("-o {}: {}", name, why_refused(option)));
    case MountOptionKind::kUnknown: break;
  }
  if (name == "remount") {
    return std::unexpected("-o remount: use mirrorctl set; for other options unmount, then mount");
  }
  return std::unexpected(fmt::format("-o {}: unknown option (see mirrorfs --help)", option));
}

Outcome apply_token(DaemonOptions& options, std::vector<std::string>& positional,
                    const po::option& token) {
  const std::string& name = token.string_key;
  if (token.position_key >= 0) {
    positional.insert(positional.end(), token.value.begin(), token.value.end());
    return {};
  }
  if (name == "options") {
    for (const std::string& option : split_option_list(token.value.at(0))) {
      if (auto applied = apply_listed_option(options, option); !applied) return applied;
    }
    return {};
  }
  std::optional<std::string> value;
  if (!token.value.empty()) value = token.value.front();
  return apply_rule(options, *find_option_rule(name), "--" + name, value);
}

Outcome assign_paths(DaemonOptions& options, const std::vector<std::string>& positional) {
  const bool replica_by_option = options.given.contains("dst");
  const std::size_t wanted = replica_by_option ? 2 : 3;
  if (positional.size() < wanted) {
    const char* const missing = positional.empty()               ? "SRC"
                                : positional.size() + 1 < wanted ? "DST and MNT"
                                                                 : "MNT";
    return std::unexpected(fmt::format("{} missing; {}", missing, kUsage));
  }
  if (positional.size() > wanted) {
    return std::unexpected(fmt::format("'{}': too many arguments{}; {}", positional[wanted],
                                       replica_by_option ? " next to -o dst" : "", kUsage));
  }
  for (const std::string& path : positional) {
    if (path.empty()) return std::unexpected(fmt::format("an empty path; {}", kUsage));
  }
  options.mirror.source = positional.front();
  if (!replica_by_option) options.mirror.replica = positional[1];
  options.mount_point = positional.back();
  return {};
}

/// Boost's words name the option but not what it may be.
std::string explain(const po::error& error) {
  if (const auto* const unknown = dynamic_cast<const po::unknown_option*>(&error)) {
    return fmt::format("{}: unknown option (see mirrorfs --help)", unknown->get_option_name());
  }
  const auto* const named = dynamic_cast<const po::error_with_option_name*>(&error);
  if (named == nullptr) return error.what();
  std::string name = named->get_option_name();
  if (name == "-o" || name == "--options") return "-o needs a list of options";
  const OptionRule* const rule =
      find_option_rule(std::string_view(name).substr(name.find_first_not_of('-')));
  if (rule == nullptr) return error.what();
  if (!rule->takes_value) return name + " takes no value";
  return fmt::format("{} needs a value: {}", name, rule->allowed);
}

/// The options in the order given; the last one of a name counts.
std::expected<std::vector<po::option>, std::string> tokenize(
    const std::vector<std::string>& arguments) {
  try {
    return tokens_of(arguments, describe_options());
  } catch (const po::error& error) {
    return std::unexpected(explain(error));
  }
}

}  // namespace

std::expected<DaemonOptions, std::string> parse_daemon_options(
    const std::vector<std::string>& arguments) {
  const auto tokens = tokenize(arguments);
  if (!tokens) return std::unexpected(tokens.error());
  DaemonOptions options;
  std::vector<std::string> positional;
  for (const po::option& token : *tokens) {
    if (token.string_key == "help" || token.string_key == "version") {
      const bool help = token.string_key == "help";
      options.request = help ? DaemonOptions::Request::kHelp : DaemonOptions::Request::kVersion;
      return options;
    }
    if (auto applied = apply_token(options, positional, token); !applied) {
      return std::unexpected(applied.error());
    }
  }
  if (auto assigned = assign_paths(options, positional); !assigned) {
    return std::unexpected(assigned.error());
  }
  return options;
}

}  // namespace mirrorfs
