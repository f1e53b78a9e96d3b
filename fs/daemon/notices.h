// What the log says at the start about limits of this mount.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace mirrorfs {

void log_notices();

/// Why the filesystem that the canonical path of a replica is on is not fit for one; nothing: no
/// reason is known. `mountinfo`: /proc/self/mountinfo (proc(5)).
[[nodiscard]] std::optional<std::string> unfit_replica(std::string_view mountinfo,
                                                       const std::filesystem::path& replica);

}  // namespace mirrorfs
