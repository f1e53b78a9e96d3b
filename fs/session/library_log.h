// What libfuse prints goes to our log.
#pragma once

#include <string>

namespace mirrorfs::fs {

/// While it lives, remembers the last thing libfuse complained of in this thread: the cause of a
/// mount that failed. From the first one on, libfuse prints into our log.
class LibraryLog {
 public:
  LibraryLog();
  LibraryLog(const LibraryLog&) = delete;
  LibraryLog& operator=(const LibraryLog&) = delete;
  ~LibraryLog();

  [[nodiscard]] const std::string& last() const;
};

}  // namespace mirrorfs::fs
