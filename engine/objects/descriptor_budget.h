// How a walk shares out the descriptors that this process may still open.
#pragma once

#include <cstddef>

namespace mirrorfs::objects {

struct DescriptorBudget {
  std::size_t objects;      ///< objects in flight, up to two descriptors each
  std::size_t directories;  ///< in flight, two each
  std::size_t pairs;        ///< cached directories, two each

  /// By RLIMIT_NOFILE and what is open already.
  [[nodiscard]] static DescriptorBudget of_process();
  /// Budget for `descriptors` descriptors.
  [[nodiscard]] static DescriptorBudget of(std::size_t descriptors);

  /// Has the process's table of descriptors made large enough for all of it. At once as long as the
  /// process has one thread; later the thread that opens one too many waits for an RCU grace period
  /// (expand_fdtable() in fs/file.c: some 10 ms), once for each doubling. For speed alone: where it
  /// is refused, nothing else changes.
  void enlarge_table() const;
};

}  // namespace mirrorfs::objects
