// A FUSE filesystem that shows a directory and fails as others do: errors of writing come only at
// close(2), when what was written is lost (network filesystems); attributes are refused (servers
// that squash root, filesystems without them), or bent: taken with success and stored otherwise
// (FAT, NTFS, CIFS); and any call fails, waits, hangs or does half of what it should.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <thread>

#include "injected_faults.h"

struct fuse;

namespace mirrorfs {

/// Mounted while it lives. Needs /dev/fuse and the right to mount.
class FailingFilesystem {
 public:
  /// Shows `backing` at `mount_point`; check mounted() before use. For so many seconds the kernel
  /// believes attributes and names that it was told, as of a server. A call that waits holds up
  /// all others unless many threads serve them.
  enum class Serving { kByOneThread, kByMany };
  FailingFilesystem(const std::filesystem::path& backing, const std::filesystem::path& mount_point,
                    double believed = 0, Serving serving = Serving::kByOneThread);
  FailingFilesystem(const FailingFilesystem&) = delete;
  FailingFilesystem& operator=(const FailingFilesystem&) = delete;
  ~FailingFilesystem();

  [[nodiscard]] bool mounted() const { return fuse_ != nullptr; }
  /// From now on closing a file that was written fails with this errno; 0: no more.
  void fail_close_with(int error) { state_.close_error = error; }

  enum Attribute : std::size_t { kOwner, kMode, kTimes, kXattr, kAttributes };
  /// From now on setting it fails with this errno; 0: no more.
  void refuse(Attribute which, int error) { state_.refusals[which] = error; }
  /// How often one was refused.
  [[nodiscard]] unsigned refused() const { return state_.refused; }

  /// What is taken and stored otherwise, and what names and objects there may be. From now on.
  struct Bends {
    std::atomic<bool> ignores_owner = false, ignores_mode = false;
    std::atomic<std::int64_t> seconds_of_times = 0;  ///< times are cut to a multiple; 0: kept
    std::atomic<std::int64_t> latest = INT64_MAX;    ///< seconds; what is later becomes this
    std::atomic<bool> folds_case = false;            ///< of ASCII
    std::atomic<std::size_t> longest_name = 255;     ///< bytes
    std::atomic<bool> no_links = false, no_special = false;
    /// Owner and times of a symlink are set on what it leads to, as SFTP does.
    std::atomic<bool> follows_symlinks = false;
    std::atomic<unsigned> most_links = 0;  ///< names of one file; 0: no limit
  };
  [[nodiscard]] Bends& bends() { return state_.bends; }

  [[nodiscard]] InjectedFaults& faults() { return state_.faults; }

  struct State {
    std::filesystem::path backing;
    double believed = 0;
    Bends bends{};
    InjectedFaults faults{};
    std::atomic<int> close_error = 0;
    std::array<std::atomic<int>, kAttributes> refusals{};
    std::atomic<unsigned> refused = 0;
  };

 private:
  State state_;
  std::filesystem::path mount_point_;
  struct fuse* fuse_ = nullptr;
  std::thread loop_;
};

}  // namespace mirrorfs
