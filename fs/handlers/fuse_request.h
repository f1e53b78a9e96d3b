// One request of the kernel, answered exactly once.
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <cstddef>
#include <span>
#include <utility>

#include "fs/handlers/credentials.h"
#include "mirrorfs/error.h"

namespace mirrorfs::fs {

/// Answers EIO when destroyed unanswered. May be put aside and answered later, by another thread:
/// it belongs to one at a time. The functions that hand a node to the kernel return false
/// when the kernel did not take the reply (the caller was killed): the lookup is to be forgotten.
class FuseRequest {
 public:
  explicit FuseRequest(fuse_req_t raw) : raw_(raw) {}
  FuseRequest(FuseRequest&& other) noexcept : raw_(other.take()) {}
  FuseRequest& operator=(FuseRequest&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~FuseRequest() {
    if (raw_ != nullptr) error(EIO);
  }

  [[nodiscard]] Caller caller() const;
  [[nodiscard]] bool answered() const { return raw_ == nullptr; }
  /// It came by a ring: it occupies one of the ring's entries until it is answered.
  [[nodiscard]] bool by_ring() const;

  void error(int code);
  void error(const Error& error);
  void done() { error(0); }
  void none();
  /// 0 or the error of `result`.
  void result(const Result<void>& result);

  [[nodiscard]] bool entry(const fuse_entry_param& entry);
  [[nodiscard]] bool created(const fuse_entry_param& entry, const fuse_file_info& file);
  [[nodiscard]] bool opened(const fuse_file_info& file);
  void no_entry(double timeout);  ///< ENOENT that the kernel may remember
  void attributes(const struct stat& attributes, double timeout);
  void extended_attributes(struct statx& attributes, double timeout);
  void link_target(const char* target);
  void written(std::size_t count);
  [[nodiscard]] bool bytes(std::span<const std::byte> bytes);
  void file_range(int fd, off_t offset, std::size_t size);
  void size_of_value(std::size_t size);
  void filesystem(const struct statvfs& statistics);
  void position(off_t offset);

  /// For fuse_add_direntry and its like, while unanswered.
  [[nodiscard]] fuse_req_t raw() const { return raw_; }

 private:
  [[nodiscard]] fuse_req_t take() noexcept { return std::exchange(raw_, nullptr); }

  fuse_req_t raw_;
};

}  // namespace mirrorfs::fs
