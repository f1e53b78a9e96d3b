// What standard output or error is, for text that people look at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace mirrorfs::ctl {

/// A terminal that can be drawn on: TERM is not "dumb".
[[nodiscard]] bool is_terminal(std::FILE* out);

/// Columns as of now (TIOCGWINSZ, tty_ioctl(4)), else of $COLUMNS, else 80.
[[nodiscard]] std::size_t terminal_width(std::FILE* out);

/// A terminal, and the user has not set NO_COLOR (https://no-color.org).
[[nodiscard]] bool wants_colors(std::FILE* out);

enum class Color : std::uint8_t { kGreen, kYellow, kRed };
[[nodiscard]] std::string colored(std::string_view text, Color color);

/// Each line cut so that it takes no more than `width` columns, the last of them "…". Characters
/// of UTF-8 count as one column each, colours as none.
[[nodiscard]] std::string cut_lines(std::string_view text, std::size_t width);

}  // namespace mirrorfs::ctl
