// A FUSE filesystem that shows a directory and reports errors of writing only at close(2), when
// what was written is lost, as network filesystems do.
#pragma once

#include <atomic>
#include <filesystem>
#include <thread>

struct fuse;

namespace mirrorfs {

/// Mounted while it lives. Needs /dev/fuse and the right to mount.
class FailingCloseFilesystem {
 public:
  /// Shows `backing` at `mount_point`; check mounted() before use.
  FailingCloseFilesystem(const std::filesystem::path& backing,
                         const std::filesystem::path& mount_point);
  FailingCloseFilesystem(const FailingCloseFilesystem&) = delete;
  FailingCloseFilesystem& operator=(const FailingCloseFilesystem&) = delete;
  ~FailingCloseFilesystem();

  [[nodiscard]] bool mounted() const { return fuse_ != nullptr; }
  /// From now on closing a file that was written fails with this errno; 0: no more.
  void fail_close_with(int error) { state_.close_error = error; }

  struct State {
    std::filesystem::path backing;
    std::atomic<int> close_error = 0;
  };

 private:
  State state_;
  std::filesystem::path mount_point_;
  struct fuse* fuse_ = nullptr;
  std::thread loop_;
};

}  // namespace mirrorfs
