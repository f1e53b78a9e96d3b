#include "fs/ctl/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace mirrorfs::ctl {
namespace {

constexpr std::size_t kOtherwise = 80;  // columns
constexpr std::string_view kPlain = "\x1b[0m";

/// "" where the variable is not set.
std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

/// The bytes of the character, or of the colour, at the beginning of `text`.
std::size_t length_of_first(std::string_view text) {
  std::size_t length = 1;
  if (text[0] == '\x1b') return std::min(text.find('m'), text.size() - 1) + 1;
  while (length < text.size() && continues_character(text[length])) ++length;
  return length;
}

std::string cut_line(std::string_view line, std::size_t width) {
  std::string kept;
  std::size_t columns = 0, at_last_column = 0;
  bool is_colored = false;
  while (!line.empty()) {
    const std::size_t length = length_of_first(line);
    const bool is_color = line[0] == '\x1b';
    if (!is_color && columns == width) {
      kept.resize(at_last_column);
      return kept + "…" + std::string(is_colored ? kPlain : "");
    }
    if (!is_color && ++columns == width) at_last_column = kept.size();
    if (is_color) is_colored = line.substr(0, length) != kPlain;
    kept += line.substr(0, length);
    line.remove_prefix(length);
  }
  return kept;
}

}  // namespace

bool is_terminal(std::FILE* out) {
  return ::isatty(::fileno(out)) == 1 && variable("TERM") != "dumb";
}

std::size_t terminal_width(std::FILE* out) {
  winsize size{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const std::string_view columns = variable("COLUMNS");
  std::size_t width = 0;
  std::from_chars(columns.data(), columns.data() + columns.size(), width);
  return width > 0 ? width : kOtherwise;
}

bool wants_colors(std::FILE* out) { return is_terminal(out) && variable("NO_COLOR").empty(); }

std::string colored(std::string_view text, Color color) {
  const int code = color == Color::kGreen ? 32 : color == Color::kYellow ? 33 : 31;
  return fmt::format("\x1b[{}m{}{}", code, text, kPlain);
}

std::string cut_lines(std::string_view text, std::size_t width) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    result += cut_line(text.substr(0, end), width);
    if (end < text.size()) result += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

}  // namespace mirrorfs::ctl
