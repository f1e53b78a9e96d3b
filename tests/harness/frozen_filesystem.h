// A filesystem on which every change waits.
#pragma once

#include "calls.h"

namespace mirrorfs::test {

/// Freezes the filesystem (FIFREEZE) below `place` while it lives: a disk that does not answer.
class FrozenFilesystem {
 public:
  explicit FrozenFilesystem(const Path& place);
  FrozenFilesystem(const FrozenFilesystem&) = delete;
  FrozenFilesystem& operator=(const FrozenFilesystem&) = delete;
  ~FrozenFilesystem();

 private:
  UniqueFd directory_;
};

}  // namespace mirrorfs::test
