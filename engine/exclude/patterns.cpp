#include "engine/exclude/patterns.h"

#include <algorithm>
#include <ranges>

namespace mirrorfs::exclude {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// Trailing spaces that no backslash keeps.
std::string_view without_trailing_spaces(std::string_view line) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\\') {
      if (++at == line.size()) return line;
      end = at + 1;
    } else if (line[at] != ' ') {
      end = at + 1;
    }
  }
  return line.substr(0, end);
}

}  // namespace

bool Patterns::Pattern::matches(std::string_view path, std::string_view name) const {
  std::string_view left = of_name ? name : path;
  if (!left.starts_with(literal)) return false;
  left.remove_prefix(literal.size());
  return is_literal ? left.empty() : rest.matches(left);
}

bool Patterns::add(std::string_view pattern) {
  Pattern added;
  added.text = pattern;
  if (pattern.starts_with('!')) {
    added.negated = true;
    pattern.remove_prefix(1);
  }
  if (pattern.ends_with('/')) {
    added.directories_only = true;
    pattern.remove_suffix(1);
  }
  if (pattern.empty()) return false;
  added.of_name = pattern.find('/') == std::string_view::npos;
  if (pattern.starts_with('/')) pattern.remove_prefix(1);
  // As git does it, which matters to a `**` behind it: «a**/b» is «a», and then «**/b».
  const std::size_t literal = added.of_name ? 0 : literal_length(pattern);
  added.literal = pattern.substr(0, literal);
  pattern.remove_prefix(literal);
  added.is_literal = pattern.empty() && !added.of_name;
  added.rest = Glob(pattern, added.of_name ? Glob::Kind::kName : Glob::Kind::kPath);
  patterns_.push_back(std::move(added));
  return true;
}

void Patterns::add_lines(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with('#')) static_cast<void>(add(without_trailing_spaces(line)));
  }
}

std::vector<std::string> Patterns::list() const {
  std::vector<std::string> list;
  for (const Pattern& pattern : patterns_) list.push_back(pattern.text);
  return list;
}

bool Patterns::matches(std::string_view path, bool is_directory) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const Pattern& pattern : patterns_ | std::views::reverse) {
    if (pattern.directories_only && !is_directory) continue;
    if (pattern.matches(path, name)) return !pattern.negated;
  }
  return false;
}

bool Patterns::excludes(std::string_view path, bool is_directory) const {
  if (patterns_.empty()) return false;
  for (std::size_t end = path.find('/'); end != std::string_view::npos;
       end = path.find('/', end + 1)) {
    if (matches(path.substr(0, end), true)) return true;
  }
  return matches(path, is_directory);
}

bool Patterns::any_of_places() const {
  return std::ranges::any_of(patterns_, [](const Pattern& pattern) { return !pattern.of_name; });
}

}  // namespace mirrorfs::exclude
