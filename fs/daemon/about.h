// What `mirrorfs --help` and `mirrorfs --version` print.
#pragma once

#include <string>

namespace mirrorfs {

[[nodiscard]] std::string help_text();

/// "mirrorfs VERSION (libfuse X, liburing Y; Linux Z: what of it can be used)"
[[nodiscard]] std::string version_text();

}  // namespace mirrorfs
