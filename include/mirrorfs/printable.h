// Text of strangers, such as names of files, as one line of a log, a terminal or a status can show
// it.
#pragma once

#include <string>
#include <string_view>

namespace mirrorfs {

/// Valid UTF-8 on one line: control characters, line and paragraph separators, characters that turn
/// the direction of writing, bytes that are not UTF-8, and backslashes as \xHH, byte by byte.
[[nodiscard]] std::string printable(std::string_view text);

/// Nothing in it but UTF-8 (RFC 3629).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace mirrorfs
