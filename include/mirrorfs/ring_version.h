// Which version of liburing the engine was built with.
#pragma once

#include <string>

namespace mirrorfs {

/// "liburing 2.9"; without a number where its headers tell none. Any thread.
[[nodiscard]] std::string ring_library_version();

}  // namespace mirrorfs
