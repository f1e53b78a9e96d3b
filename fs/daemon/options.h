// The command line of mirrorfs, read completely before anything happens.
#pragma once

#include <chrono>
#include <expected>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/log.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs {

struct DaemonOptions {
  /// What to do instead of mounting.
  enum class Request { kMount, kHelp, kVersion };
  Request request = Request::kMount;

  MirrorOptions mirror;
  std::filesystem::path mount_point;
  std::string io = "auto";
  std::string transport = "auto";
  unsigned threads = 0;  ///< 0: libfuse's default
  std::chrono::seconds drain_timeout{300};
  double attr_timeout = 1;              ///< seconds
  std::optional<double> entry_timeout;  ///< seconds; attr_timeout when not given
  bool foreground = false;
  bool allow_other_off = false;  ///< no_allow_other: do not add allow_other for root
  LogLevel log_level = LogLevel::kInfo;
  std::string log_file;
  std::string on_event;                      ///< a shell command; empty: none
  std::vector<std::string> fuse_options;     ///< passed on, unescaped, in the order given
  std::set<std::string, std::less<>> given;  ///< long names of the options that were given
  std::string refusal;  ///< why the last value is not allowed, where its rule does not tell
};

/// `arguments` without the program's name. The error is one line: the option and what it may be.
[[nodiscard]] std::expected<DaemonOptions, std::string> parse_daemon_options(
    const std::vector<std::string>& arguments);

}  // namespace mirrorfs
