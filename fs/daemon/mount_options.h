// What `-o` may carry besides mirrorfs's own options: words for the kernel, for libfuse, and those
// that only mount(8) and fstab(5) read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mirrorfs {

/// Splits "a,b=c\,d" at its commas. A backslash makes the following character an ordinary one.
[[nodiscard]] std::vector<std::string> split_option_list(std::string_view list);

/// The reverse for one option: a list of it alone is read back as the same option.
[[nodiscard]] std::string escape_option(std::string_view option);

enum class MountOptionKind {
  kUnknown,
  kPassedOn,  ///< for libfuse or the kernel
  kDropped,   ///< asks for nothing: nofail, noauto, _netdev, x-…; or for what is so anyway: atime
  kRefused,   ///< known, and cannot be done: why_refused() says why
};

/// `option` is one word of the list, with its value if it has one.
[[nodiscard]] MountOptionKind classify_mount_option(std::string_view option);

/// Of an option that is kRefused: why, and what to do instead.
[[nodiscard]] std::string_view why_refused(std::string_view option);

}  // namespace mirrorfs
