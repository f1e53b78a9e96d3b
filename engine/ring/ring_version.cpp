#include "mirrorfs/ring_version.h"

#include <fmt/format.h>

#if __has_include(<liburing/io_uring_version.h>)
#include <liburing/io_uring_version.h>
#endif

namespace mirrorfs {

std::string ring_library_version() {
#if defined(IO_URING_VERSION_MAJOR)
  return fmt::format("liburing {}.{}", IO_URING_VERSION_MAJOR, IO_URING_VERSION_MINOR);
#else
  return "liburing";
#endif
}

}  // namespace mirrorfs
