#include "fs/completion/zsh.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "fs/completion/option_values.h"
#include "fs/ctl/command_rules.h"
#include "fs/daemon/option_rules.h"

namespace mirrorfs::completion {
namespace {

constexpr std::string_view kMadeFrom =
    "# Made from the option tables of mirrorfs; see fs/completion in its source.";

/// For a part of a specification of _arguments (zshcompsys(1)) between single quotes.
std::string quoted(std::string_view text) {
  std::string result;
  for (const char letter : text) {
    if (letter == '\'') {
      result += "'\\''";
      continue;
    }
    if (letter == ':' || letter == '[' || letter == ']' || letter == '\\') result += '\\';
    result += letter;
  }
  return result;
}

/// "'--mode=:async, fsync or sync:(async fsync sync)'"; `repeatable`: it may be given again.
std::string specification(std::string_view option, std::string_view allowed, bool repeatable) {
  const std::string_view star = repeatable ? "*" : "";
  if (allowed.empty()) return fmt::format("        '{}{}'\n", star, option);
  const Values values = values_of(allowed);
  std::string action = " ";  // nothing to offer, but for the description
  if (!values.words.empty()) action = fmt::format("({})", fmt::join(values.words, " "));
  if (values.directories) action = "_files -/";
  if (values.files) action = "_files";
  return fmt::format("        '{}{}=:{}:{}'\n", star, option, quoted(allowed), action);
}

bool is_repeatable(std::string_view option) {
  return option.ends_with("exclude") || option.ends_with("exclude-from");
}

std::string case_of_command(const ctl::CommandRule& command, const std::string& settings) {
  std::string options = "        '--help'\n";
  for (const ctl::Option& option : command.options) {
    options += specification(option.name, option.allowed, is_repeatable(option.name));
  }
  // The paths: of mounts and trees for the most part, of what is in them for wait and verify.
  const std::string rest = command.name == "set" ? fmt::format(
                                                       "        '1:mount:_files -/'\n"
                                                       "        '*:setting:compadd -S \"\" --{}'\n",
                                                       settings)
                                                 : std::string("        '*:path:_files'\n");
  return fmt::format("    {})\n        specifications=(\n{}{}        )\n        ;;\n", command.name,
                     options, rest);
}

}  // namespace

std::string zsh_for_mirrorfs() {
  std::string options;
  for (const OptionRule& rule : option_rules()) {
    if (!rule.command_line) continue;
    options += specification(fmt::format("--{}", rule.name),
                             rule.takes_value ? rule.allowed : std::string_view(),
                             is_repeatable(rule.name));
  }
  return fmt::format(R"(#compdef mirrorfs
{}
local -a specifications
specifications=(
        '--help'
        '--version'
        '-f'
        '*-o+:mount options: '
{}        '1:source:_files -/'
        '2:replica:_files -/'
        '3:mount point:_files -/'
)
_arguments -s -S : $specifications
)",
                     kMadeFrom, options);
}

std::string zsh_for_mirrorctl() {
  std::string names, cases, settings;
  for (const OptionRule& rule : option_rules()) {
    if (rule.while_mounted) settings += fmt::format(" {}=", rule.name);
  }
  for (const ctl::CommandRule& command : ctl::command_rules()) {
    names += fmt::format(" {}", command.name);
    cases += case_of_command(command, settings);
  }
  return fmt::format(R"(#compdef mirrorctl
{}
if ((CURRENT == 2)); then
    compadd --{} --help --version
    return
fi
local -a specifications
case $words[2] in
{}    *) return 1 ;;
esac
shift words
((CURRENT--))
_arguments -S : $specifications
)",
                     kMadeFrom, names, cases);
}

}  // namespace mirrorfs::completion
