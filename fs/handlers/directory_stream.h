// Reading a source directory from any position, entry by entry.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <mutex>

#include "fs/nodes/node_table.h"
#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::fs {

struct DirectoryEntry {
  const char* name = nullptr;  ///< valid until the stream is read on
  ino_t ino = 0;
  mode_t type = 0;        ///< S_IFMT bits, 0 when the filesystem does not say
  off_t next_offset = 0;  ///< where the stream goes on after this entry
};

/// An open directory. One stream per handle, its lock taken for a whole request; offsets are those
/// of the source's filesystem. Not thread-safe by itself.
class DirectoryStream {
 public:
  DirectoryStream(NodeRef node, UniqueFd fd) : node_(std::move(node)), fd_(std::move(fd)) {}

  [[nodiscard]] const NodeRef& node() const { return node_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::mutex& mutex() { return mutex_; }

  [[nodiscard]] Result<void> seek(off_t offset);
  /// The next entry, left in place until skip(): it may not fit into the reply. Null at the end.
  [[nodiscard]] Result<const DirectoryEntry*> peek();
  void skip();

 private:
  static constexpr std::size_t kBufferSize = 32 * 1024;

  NodeRef node_;
  UniqueFd fd_;
  std::mutex mutex_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t at_ = 0, filled_ = 0;
  off_t position_ = 0;  ///< of the next entry
  DirectoryEntry entry_;
};

}  // namespace mirrorfs::fs
