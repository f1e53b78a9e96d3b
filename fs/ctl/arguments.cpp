#include "fs/ctl/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <span>

#include "fs/common/command_line.h"
#include "fs/ctl/command_rules.h"

namespace mirrorfs::ctl {
namespace {

namespace po = boost::program_options;
using Command = Arguments::Command;
using Outcome = std::expected<void, std::string>;

/// "status, wait or verify"
std::string command_names() {
  std::string names;
  const std::span rules = command_rules();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const char* const before = i == 0 ? "" : i + 1 == rules.size() ? " or " : ", ";
    names += fmt::format("{}{}", before, rules[i].name);
  }
  return names;
}

std::string usage_of(const CommandRule& rule) {
  return fmt::format("usage: mirrorctl {} {}", rule.name, rule.usage);
}

po::options_description describe(const CommandRule& rule) {
  po::options_description description;
  auto add = description.add_options();
  for (const Option& option : rule.options) {
    const std::string name(option.name.substr(2));
    if (option.allowed.empty()) {
      add(name.c_str(), "");
    } else {
      add(name.c_str(), po::value<std::string>());
    }
  }
  add("help,h", "");
  return description;
}

/// Boost's words name the option but not what it may be.
std::string explain(const po::error& error, const CommandRule& rule) {
  if (const auto* const unknown = dynamic_cast<const po::unknown_option*>(&error)) {
    return fmt::format("{}: unknown option; {}", unknown->get_option_name(), usage_of(rule));
  }
  const auto* const named = dynamic_cast<const po::error_with_option_name*>(&error);
  if (named == nullptr) return error.what();
  const std::string name = named->get_option_name();
  const auto option = std::ranges::find(rule.options, name, &Option::name);
  if (option == rule.options.end()) return error.what();
  if (option->allowed.empty()) return name + " takes no value";
  return fmt::format("{} needs a value: {}", name, option->allowed);
}

/// The options and paths in the order given.
std::expected<std::vector<po::option>, std::string> tokenize(
    const CommandRule& rule, const std::vector<std::string>& words) {
  try {
    return tokens_of(words, describe(rule));
  } catch (const po::error& error) {
    return std::unexpected(explain(error, rule));
  }
}

Outcome apply_option(Arguments& result, const CommandRule& rule, const po::option& token) {
  const std::string name = "--" + token.string_key;
  const std::string value = token.value.empty() ? std::string() : token.value.front();
  const auto option = std::ranges::find(rule.options, name, &Option::name);
  if (option->apply(result, value)) return {};
  if (!result.refusal.empty()) return std::unexpected(name + ": " + result.refusal);
  return std::unexpected(
      fmt::format("{}={}: not allowed; it must be {}", name, value, option->allowed));
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
  const auto tokens = tokenize(rule, words);
  if (!tokens) return std::unexpected(tokens.error());
  Arguments result;
  result.command = rule.command;
  for (const po::option& token : *tokens) {
    if (token.string_key == "help") return Arguments{};
    if (token.position_key < 0) {
      if (auto applied = apply_option(result, rule, token); !applied) {
        return std::unexpected(applied.error());
      }
    } else if (result.command == Command::kSet && !result.paths.empty()) {
      result.settings.push_back(token.value.front());
    } else {
      result.paths.emplace_back(token.value.front());
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
  const std::span rules = command_rules();
  const auto rule = std::ranges::find(rules, words[0], &CommandRule::name);
  if (rule == rules.end()) {
    return std::unexpected(
        fmt::format("'{}': unknown command; it must be {}", words[0], command_names()));
  }
  return parse_command(*rule, {words.begin() + 1, words.end()});
}

}  // namespace mirrorfs::ctl
