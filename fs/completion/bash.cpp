#include "fs/completion/bash.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "fs/completion/option_values.h"
#include "fs/ctl/command_rules.h"
#include "fs/daemon/option_rules.h"

namespace mirrorfs::completion {
namespace {

constexpr std::string_view kFunctions =
    R"(# Made from the option tables of mirrorfs; see fs/completion in its source.

# _mirrorfs_words WORD...: those that begin with $cur; no space after one that wants a value.
_mirrorfs_words() {
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}

# _mirrorfs_paths -f|-d: files, or directories.
_mirrorfs_paths() {
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

# Sets cur and prev: bash makes three words of --name=value.
_mirrorfs_begin() {
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
}
)";

/// One line of the case that looks at the option before; empty: nothing can be offered.
std::string value_case(std::string_view option, std::string_view allowed) {
  const Values values = values_of(allowed);
  if (!values.words.empty()) {
    return fmt::format("        {}) _mirrorfs_words {} && return ;;\n", option,
                       fmt::join(values.words, " "));
  }
  if (!values.directories && !values.files) return {};
  return fmt::format("        {}) _mirrorfs_paths {} && return ;;\n", option,
                     values.directories ? "-d" : "-f");
}

std::string case_of_command(const ctl::CommandRule& command) {
  std::string words, values;
  for (const ctl::Option& option : command.options) {
    words += fmt::format(" {}{}", option.name, option.allowed.empty() ? "" : "=");
    values += value_case(fmt::format("{}:{}", command.name, option.name), option.allowed);
  }
  return fmt::format("{}        {}:*) [[ $cur != -* ]] || words='--help{}' ;;\n", values,
                     command.name, words);
}

}  // namespace

std::string bash_for_mirrorfs() {
  std::string words = "--help --version -o -f", values;
  for (const OptionRule& rule : option_rules()) {
    if (!rule.command_line) continue;
    words += fmt::format(" --{}{}", rule.name, rule.takes_value ? "=" : "");
    if (rule.takes_value) values += value_case(fmt::format("--{}", rule.name), rule.allowed);
  }
  return fmt::format(R"({}
_mirrorfs() {{
    local cur prev
    _mirrorfs_begin
    case $prev in
{}    esac
    if [[ $cur == -* ]]; then
        _mirrorfs_words {}
    else
        _mirrorfs_paths -d
    fi
}}
complete -F _mirrorfs mirrorfs
)",
                     kFunctions, values, words);
}

std::string bash_for_mirrorctl() {
  std::string names, cases;
  for (const ctl::CommandRule& command : ctl::command_rules()) {
    names += fmt::format("{} ", command.name);
    cases += case_of_command(command);
  }
  std::string settings;
  for (const OptionRule& rule : option_rules()) {
    if (rule.while_mounted) settings += fmt::format(" {}=", rule.name);
  }
  return fmt::format(R"({}
_mirrorctl() {{
    local cur prev words=
    _mirrorfs_begin
    if ((COMP_CWORD == 1)); then
        _mirrorfs_words {}--help --version
        return
    fi
    case ${{COMP_WORDS[1]}}:$prev in
{}    esac
    if [[ -z $words && ${{COMP_WORDS[1]}} == set ]] && ((COMP_CWORD > 2)); then words='{}'; fi
    if [[ -n $words ]]; then
        _mirrorfs_words "$words"
    else
        _mirrorfs_paths -f
    fi
}}
complete -F _mirrorctl mirrorctl
)",
                     kFunctions, names, cases, settings);
}

}  // namespace mirrorfs::completion
