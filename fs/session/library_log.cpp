#include "fs/session/library_log.h"

#include <fuse3/fuse_log.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string_view>

#include "mirrorfs/log.h"

namespace mirrorfs::fs {
namespace {

thread_local bool remembering = false;
thread_local std::string remembered;

LogLevel level_of(fuse_log_level level) {
  switch (level) {
    case FUSE_LOG_EMERG:
    case FUSE_LOG_ALERT:
    case FUSE_LOG_CRIT:
    case FUSE_LOG_ERR: return LogLevel::kError;
    case FUSE_LOG_WARNING: return LogLevel::kWarn;
    case FUSE_LOG_NOTICE:
    case FUSE_LOG_INFO: return LogLevel::kInfo;
    case FUSE_LOG_DEBUG: break;
  }
  return LogLevel::kDebug;
}

__attribute__((format(printf, 2, 0))) void take_line(fuse_log_level level, const char* format,
                                                     va_list arguments) {
  std::array<char, 512> text{};
  (void)std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string_view line(text.data());
  while (line.ends_with('\n')) line.remove_suffix(1);
  if (remembering) {
    remembered = line;
  } else {
    log_line(level_of(level), line);
  }
}

}  // namespace

LibraryLog::LibraryLog() {
  remembering = true;
  remembered.clear();
  fuse_set_log_func(take_line);
}

LibraryLog::~LibraryLog() { remembering = false; }

const std::string& LibraryLog::last() const { return remembered; }

}  // namespace mirrorfs::fs
