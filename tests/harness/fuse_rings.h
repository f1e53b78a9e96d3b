// FUSE over io_uring for tests that ask for it.
#pragma once

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::test {

/// The kernel offers FUSE over io_uring while one of these lives, in whatever process; as it was
/// before when the last one goes.
class FuseRings {
 public:
  FuseRings();
  FuseRings(const FuseRings&) = delete;
  FuseRings& operator=(const FuseRings&) = delete;
  ~FuseRings();

  /// Whether this kernel has them at all.
  [[nodiscard]] static bool exist();

 private:
  UniqueFd lock_;
};

}  // namespace mirrorfs::test
