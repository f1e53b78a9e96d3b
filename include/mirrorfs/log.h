// The log: one line per call, formatted with fmt. spdlog stays behind it, in engine/common/log.cpp.
//
// Every line goes through printable() there, names and all: what strangers call their files can
// neither end a line nor begin another.
#pragma once

#include <fmt/core.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace mirrorfs {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError };

enum class LogTarget { kStandardError, kSyslog, kFile, kNowhere };

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  LogTarget target = LogTarget::kStandardError;
  std::string file;  ///< with kFile: appended to, created when missing
};

/// Says where lines go from now on; before the first call they go to standard error, from kInfo on.
/// The error's message is one line fit for the user. Start no thread that logs before it returns.
[[nodiscard]] std::expected<void, std::string> configure_log(const LogSettings& settings);

/// Opens the log file anew, by its name in the directory in which it was opened: for logrotate(8),
/// which has renamed it. False: there is no log file, or it cannot be opened and the old one is
/// written on. Any thread.
bool reopen_log_file() noexcept;

/// From the next line on. Any thread.
void set_log_level(LogLevel level) noexcept;

/// All of the following are safe from any thread and never throw: a line that cannot be written is
/// lost.
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;
void log_line(LogLevel level, std::string_view line) noexcept;
void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments) noexcept;
/// A line of which one in a minute is enough for each kind: the others are counted, and told with
/// the next one. `kind` is few things: a cause, not a name.
void log_repeating(LogLevel level, std::string_view kind, std::string_view line) noexcept;

template <class... A>
void log(LogLevel level, fmt::format_string<A...> format, A&&... arguments) noexcept {
  if (log_enabled(level)) log_formatted(level, format, fmt::make_format_args(arguments...));
}

template <class... A>
void log_trace(fmt::format_string<A...> format, A&&... arguments) noexcept {
  log(LogLevel::kTrace, format, std::forward<A>(arguments)...);
}
template <class... A>
void log_debug(fmt::format_string<A...> format, A&&... arguments) noexcept {
  log(LogLevel::kDebug, format, std::forward<A>(arguments)...);
}
template <class... A>
void log_info(fmt::format_string<A...> format, A&&... arguments) noexcept {
  log(LogLevel::kInfo, format, std::forward<A>(arguments)...);
}
template <class... A>
void log_warn(fmt::format_string<A...> format, A&&... arguments) noexcept {
  log(LogLevel::kWarn, format, std::forward<A>(arguments)...);
}
template <class... A>
void log_error(fmt::format_string<A...> format, A&&... arguments) noexcept {
  log(LogLevel::kError, format, std::forward<A>(arguments)...);
}

}  // namespace mirrorfs
