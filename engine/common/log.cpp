#include "mirrorfs/log.h"

#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <iterator>
#include <memory>

#include "engine/common/log_sink.h"
#include "mirrorfs/printable.h"
#include "mirrorfs/repeat_limit.h"

namespace mirrorfs {
namespace {

constexpr const char* kLoggerName = "mirrorfs";

std::atomic<LogLevel> threshold{LogLevel::kInfo};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return spdlog::level::trace;
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>(kLoggerName, std::move(sink));
  logger->set_level(spdlog::level::trace);  // log_enabled() has decided already
  logger->set_error_handler([](const std::string&) {});
  return logger;
}

spdlog::sink_ptr make_syslog_sink() {
  // syslog(3) adds the time, the priority and the process itself.
  auto sink =
      std::make_shared<spdlog::sinks::syslog_sink_mt>(kLoggerName, LOG_PID, LOG_DAEMON, true);
  sink->set_pattern("%l: %v");
  return sink;
}

/// The logger is replaced at start-up only, while one thread runs, so a plain pointer is enough.
std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> current = make_logger(std::make_shared<DescriptorSink>());
  return current;
}

/// Null unless the log goes to a file. Set with logger().
std::shared_ptr<FileSink>& file_sink() {
  static std::shared_ptr<FileSink> current;
  return current;
}

}  // namespace

std::expected<void, std::string> configure_log(const LogSettings& settings) {
  try {
    std::shared_ptr<FileSink> file;
    if (settings.target == LogTarget::kFile) {
      std::string error;
      file = FileSink::open(settings.file, error);
      if (!file) {
        return std::unexpected(fmt::format("cannot log to '{}': {}", settings.file, error));
      }
    }
    switch (settings.target) {
      case LogTarget::kStandardError:
        logger() = make_logger(std::make_shared<DescriptorSink>());
        break;
      case LogTarget::kSyslog: logger() = make_logger(make_syslog_sink()); break;
      case LogTarget::kFile: logger() = make_logger(file); break;
      case LogTarget::kNowhere:
        logger() = make_logger(std::make_shared<spdlog::sinks::null_sink_mt>());
        break;
    }
    file_sink() = std::move(file);
  } catch (const std::exception& error) {
    return std::unexpected(fmt::format("cannot log: {}", error.what()));
  }
  set_log_level(settings.level);
  return {};
}

bool reopen_log_file() noexcept {
  try {
    return file_sink() != nullptr && file_sink()->reopen();
  } catch (...) {
    return false;
  }
}

void set_log_level(LogLevel level) noexcept { threshold.store(level, std::memory_order_relaxed); }

bool log_enabled(LogLevel level) noexcept {
  return level >= threshold.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view line) noexcept {
  if (!log_enabled(level)) return;
  try {
    const std::string shown = printable(line);
    logger()->log(spdlog_level(level), spdlog::string_view_t(shown.data(), shown.size()));
  } catch (...) {  // logging must never be the reason why something fails
  }
}

void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments) noexcept {
  try {
    fmt::memory_buffer line;
    fmt::vformat_to(std::back_inserter(line), format, arguments);
    log_line(level, std::string_view(line.data(), line.size()));
  } catch (...) {
  }
}

void log_repeating(LogLevel level, std::string_view kind, std::string_view line) noexcept {
  if (!log_enabled(level)) return;
  static RepeatLimit limit(1, std::chrono::minutes(1));
  const auto left_out = limit.admit(kind);
  if (!left_out) return;
  if (*left_out == 0) return log_line(level, line);
  log(level, "{} ({} more like this since the last such line)", line, *left_out);
}

}  // namespace mirrorfs
