// The calls of a FailingFilesystem, for libfuse.
#pragma once

#include <fuse3/fuse.h>

namespace mirrorfs {

/// Their private data is a FailingFilesystem::State.
[[nodiscard]] fuse_operations failing_calls();

}  // namespace mirrorfs
