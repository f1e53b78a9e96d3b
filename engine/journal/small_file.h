// Reading and atomically replacing the few small files that we keep.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mirrorfs/error.h"

namespace mirrorfs::journal {

/// The whole file; nullopt when it does not exist. Never follows a symlink.
[[nodiscard]] Result<std::optional<std::string>> read_small_file(int directory, const char* name);

enum class Synced { kNo, kYes };

/// Written under a temporary name, synced, renamed over `name`, the directory synced: after a crash
/// either the old or the new content stands there, whole. Without the two syncs that holds as long
/// as the machine runs.
[[nodiscard]] Result<void> replace_small_file(int directory, const std::string& name,
                                              std::string_view content,
                                              Synced synced = Synced::kYes);

/// All of it, at that offset.
[[nodiscard]] Result<void> write_at(int fd, std::string_view bytes, std::uint64_t offset);

}  // namespace mirrorfs::journal
