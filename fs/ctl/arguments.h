// The command line of mirrorctl.
#pragma once

#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/losses.h"
#include "mirrorfs/removal_limit.h"

namespace mirrorfs::ctl {

struct Arguments {
  enum class Command {
    kHelp,
    kVersion,
    kStatus,
    kCheck,
    kMetrics,
    kSet,
    kWait,
    kVerify,
    kSync,
    kPause,
    kResume,
    kPairs,
    kPromote
  };
  Command command = Command::kHelp;
  std::vector<std::filesystem::path> paths;  ///< MNT with PATHs, or SRC and DST
  std::vector<std::string> settings;         ///< NAME=VALUE
  bool json = false, watch = false, exit_code = false;
  bool full = false, repair = false;
  bool dry_run = false, progress = false, stats = false, adopt = false;
  std::optional<double> timeout;  ///< seconds
  std::optional<double> max_lag;  ///< seconds
  std::string textfile;           ///< where to put metrics; empty: standard output
  RemovalLimit max_delete;
  std::optional<Losses> tolerate;                   ///< absent: as the pair's last session had it
  std::optional<std::vector<std::string>> exclude;  ///< the same
  std::string refusal;  ///< why the last value is not allowed, where its option does not tell
};

/// `arguments` without the program's name. The error is one line.
[[nodiscard]] std::expected<Arguments, std::string> parse_arguments(
    const std::vector<std::string>& arguments);

}  // namespace mirrorfs::ctl
