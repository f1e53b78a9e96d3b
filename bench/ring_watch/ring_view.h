// Another process's submission queue, seen through a mapping of our own.
#pragma once

#include <liburing/io_uring.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::bench {

/// One shared mapping; unmapped when destroyed.
class Mapping {
 public:
  /// Throws std::system_error.
  Mapping(int fd, off_t offset, std::size_t size);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();

  [[nodiscard]] const std::byte* at(std::size_t offset) const noexcept { return data_ + offset; }

 private:
  std::byte* data_;
  std::size_t size_;
};

/// The queue of one ring. Works on any kernel, because it rests on nothing but io_uring's interface
/// to programs.
class RingView {
 public:
  /// `fd` is the ring's descriptor in process `pid`, `params` what io_uring_setup(2) returned
  /// there. Throws std::system_error, and std::runtime_error for a ring whose submissions cannot be
  /// seen this way: one that a kernel thread polls (SQPOLL), one in memory of the process's own
  /// (NO_MMAP), one with entries of two sizes (SQE_MIXED).
  RingView(pid_t pid, int fd, const io_uring_params& params);

  /// The entries that an io_uring_enter(2) with this `to_submit` hands to the kernel and that were
  /// not returned before. To be called while the submitting thread stands still before the call.
  [[nodiscard]] std::vector<io_uring_sqe> take(unsigned to_submit);

 private:
  RingView(UniqueFd ring, const io_uring_params& params);
  [[nodiscard]] unsigned word(unsigned offset) const noexcept;

  io_uring_params params_;
  std::size_t entry_size_;
  Mapping queue_;  ///< head, tail and, unless NO_SQARRAY, the order of the entries
  Mapping entries_;
  unsigned next_ = 0;  ///< position of the first entry not returned yet; wraps as the kernel's do
};

}  // namespace mirrorfs::bench
