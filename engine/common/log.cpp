#include "mirrorfs/log.h"

#include <fcntl.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <iterator>
#include <memory>

#include "mirrorfs/unique_fd.h"

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

std::shared_ptr<spdlog::logger> make_logger(const LogSettings& settings) {
  spdlog::sink_ptr sink;
  switch (settings.target) {
    case LogTarget::kStandardError:
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
      sink->set_pattern("mirrorfs: %Y-%m-%d %H:%M:%S.%e %l: %v");
      break;
    case LogTarget::kSyslog:
      // syslog(3) adds the time and the process itself.
      sink =
          std::make_shared<spdlog::sinks::syslog_sink_mt>(kLoggerName, LOG_PID, LOG_DAEMON, true);
      sink->set_pattern("%l: %v");
      break;
    case LogTarget::kFile:
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.file);
      sink->set_pattern("%Y-%m-%d %H:%M:%S.%e [%P] %l: %v");
      break;
  }
  auto logger = std::make_shared<spdlog::logger>(kLoggerName, std::move(sink));
  logger->set_level(spdlog::level::trace);  // log_enabled() has decided already
  logger->flush_on(spdlog::level::trace);   // rare lines; none may be lost in a kill -9
  logger->set_error_handler([](const std::string&) {});
  return logger;
}

/// The logger is replaced at start-up only, while one thread runs, so a plain pointer is enough.
std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> current = make_logger(LogSettings{});
  return current;
}

}  // namespace

std::expected<void, std::string> configure_log(const LogSettings& settings) {
  if (settings.target == LogTarget::kFile) {
    // spdlog would make missing directories, and its messages do not name the cause.
    const UniqueFd file(
        open(settings.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (!file) {
      return std::unexpected(
          fmt::format("cannot log to '{}': {}", settings.file, std::strerror(errno)));
    }
  }
  try {
    logger() = make_logger(settings);
  } catch (const std::exception& error) {
    return std::unexpected(fmt::format("cannot log to '{}': {}", settings.file, error.what()));
  }
  threshold.store(settings.level, std::memory_order_relaxed);
  return {};
}

bool log_enabled(LogLevel level) noexcept {
  return level >= threshold.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view line) noexcept {
  if (!log_enabled(level)) return;
  try {
    logger()->log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
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

}  // namespace mirrorfs
