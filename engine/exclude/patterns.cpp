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

bool Patterns::Pattern::may_match_below(std::string_view directory) const {
  const std::string beginning = std::string(directory) + '/';
  if (beginning.size() < literal.size()) return literal.starts_with(beginning);
  if (is_literal || !beginning.starts_with(literal)) return false;
  return rest.may_match_beyond(std::string_view(beginning).substr(literal.size()));
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
  // At any depth: the name alone decides, and a move of a directory does not matter.
  constexpr std::string_view kAnywhere = "**/";
  if (!added.of_name && pattern.starts_with(kAnywhere) && pattern.size() > kAnywhere.size() &&
      pattern.find('/', kAnywhere.size()) == std::string_view::npos) {
    added.of_name = true;
    pattern.remove_prefix(kAnywhere.size());
  }
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
  for (const std::string_view line : lines_of(text)) static_cast<void>(add(line));
}

std::vector<std::string> Patterns::list() const {
  std::vector<std::string> list;
  for (const Pattern& pattern : patterns_) list.push_back(pattern.text);
  return list;
}

bool Patterns::matches(std::string_view path, bool is_directory) const {
  if (path.empty()) return false;  // the root
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

bool Patterns::any_of_places_below(std::string_view directory) const {
  return std::ranges::any_of(patterns_, [directory](const Pattern& pattern) {
    return !pattern.of_name && pattern.may_match_below(directory);
  });
}

bool Patterns::any_of_types() const {
  return std::ranges::any_of(patterns_, &Pattern::directories_only);
}

std::string_view Patterns::fault_of(std::string_view pattern) {
  Patterns one;
  if (!one.add(pattern)) return "it is empty";
  if (one.patterns_.front().rest.is_malformed()) {
    return "it matches nothing: a '[' without an end, an unknown class, or a backslash at the end";
  }
  return {};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line.starts_with('#') ? line.substr(0, 0) : without_trailing_spaces(line));
  }
  return lines;
}

}  // namespace mirrorfs::exclude
