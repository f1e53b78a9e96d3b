// The directories of a run: source, replica, state. On tmpfs, made anew for each run.
#pragma once

#include <string>
#include <vector>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::simulation {

class Playground {
 public:
  /// Below /dev/shm, or TMPDIR where that is missing. Throws std::system_error.
  Playground();
  Playground(const Playground&) = delete;
  Playground& operator=(const Playground&) = delete;
  ~Playground();

  /// Descriptors that are open now stay open for the life of the process.
  void keep_open_descriptors();
  /// Closes every other, but for these: what the kernel does for a process that is killed.
  void close_all_but(std::vector<int> kept) const;

  /// All three, empty.
  void reset();
  [[nodiscard]] const std::string& base() const { return base_; }
  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] const std::string& replica() const { return replica_; }
  [[nodiscard]] const std::string& state() const { return state_; }

 private:
  std::string base_, source_, replica_, state_;
  UniqueFd fd_;
  std::vector<int> open_before_;  ///< descriptors, in order
};

}  // namespace mirrorfs::simulation
