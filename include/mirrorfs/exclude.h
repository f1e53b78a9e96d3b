// What --exclude and --exclude-from give.
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorfs {

/// Why a pattern can match nothing; empty: it is one by the rules of gitignore(5).
[[nodiscard]] std::string_view fault_of_pattern(std::string_view pattern);

/// The patterns of a file, one a line, without comments, empty lines and trailing spaces. The error
/// is one line: "FILE:LINE: why".
[[nodiscard]] std::expected<std::vector<std::string>, std::string> patterns_of_file(
    const std::filesystem::path& file);

}  // namespace mirrorfs
