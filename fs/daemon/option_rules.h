// Every long option of mirrorfs by name: what it may be, and what it sets. The same rules serve
// `--name=value` and `-o name=value`.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "fs/daemon/options.h"

namespace mirrorfs {

struct OptionRule {
  std::string_view name;
  bool takes_value = true;
  std::string_view allowed;  ///< for messages: "async, fsync or sync"
  /// Sets it; false when `value` is not allowed.
  bool (*apply)(DaemonOptions& options, const std::string& value) = nullptr;
  bool while_mounted = false;  ///< mirrorctl set may change it
  bool command_line = true;    ///< false: with -o only, as tradition has it
};

[[nodiscard]] std::span<const OptionRule> option_rules();
[[nodiscard]] const OptionRule* find_option_rule(std::string_view name);

}  // namespace mirrorfs
