// Options that can be changed while the mount serves: mirrorctl set.
#pragma once

#include <expected>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fs/daemon/options.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs {

[[nodiscard]] std::string_view to_string(LogLevel level);  ///< as on the command line

/// What is in force. Any thread.
class LiveOptions {
 public:
  explicit LiveOptions(DaemonOptions options) : options_(std::move(options)) {}

  /// NAME=VALUE each, by the rules of the command line: all of them or, with the line that says
  /// why, none.
  [[nodiscard]] std::expected<void, std::string> change(const std::vector<std::string>& settings,
                                                        Mirror& mirror);
  [[nodiscard]] DaemonOptions current() const;

 private:
  mutable std::mutex mutex_;  // guards options_
  DaemonOptions options_;
};

/// Each option that can be changed, by its name, with the value in force.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> changeable(
    const DaemonOptions& options);

}  // namespace mirrorfs
