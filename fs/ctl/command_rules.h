// Every command of mirrorctl, with its options: what they may be, and what they set.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "fs/ctl/arguments.h"

namespace mirrorfs::ctl {

struct Option {
  std::string_view name;
  std::string_view allowed;  ///< of the value; empty: takes none
  /// Sets it; false when `value` is not allowed.
  bool (*apply)(Arguments& arguments, const std::string& value);
};

struct CommandRule {
  std::string_view name;
  Arguments::Command command;
  std::string_view usage;
  std::size_t fewest_paths, most_paths;
  std::span<const Option> options;
};

[[nodiscard]] std::span<const CommandRule> command_rules();
[[nodiscard]] std::string help_text();

}  // namespace mirrorfs::ctl
