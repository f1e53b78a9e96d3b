#include "git_rules.h"

#include <span>

namespace mirrorfs::simulation {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool name_matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*') {
    for (std::size_t taken = 0; taken <= name.size(); ++taken) {
      if (name_matches(pattern.substr(1), name.substr(taken))) return true;
    }
    return false;
  }
  if (name.empty()) return false;
  if (pattern.front() == '[') {
    const std::size_t end = pattern.find(']');
    const bool among = pattern.substr(1, end - 1).find(name.front()) != std::string_view::npos;
    return among && name_matches(pattern.substr(end + 1), name.substr(1));
  }
  const bool same = pattern.front() == '?' || pattern.front() == name.front();
  return same && name_matches(pattern.substr(1), name.substr(1));
}

using Parts = std::span<const std::string>;

bool path_matches(Parts pattern, Parts path) {
  if (pattern.empty()) return path.empty();
  if (pattern.front() != "**") {
    return !path.empty() && name_matches(pattern.front(), path.front()) &&
           path_matches(pattern.subspan(1), path.subspan(1));
  }
  if (pattern.size() == 1) return !path.empty();
  for (std::size_t taken = 0; taken <= path.size(); ++taken) {
    if (path_matches(pattern.subspan(1), path.subspan(taken))) return true;
  }
  return false;
}

}  // namespace

GitRules::GitRules(const std::vector<std::string>& patterns) {
  for (std::string_view pattern : patterns) {
    Rule rule;
    rule.negated = pattern.starts_with('!');
    if (rule.negated) pattern.remove_prefix(1);
    rule.directories = pattern.ends_with('/');
    if (rule.directories) pattern.remove_suffix(1);
    rule.of_name = pattern.find('/') == std::string_view::npos;
    if (pattern.starts_with('/')) pattern.remove_prefix(1);
    rule.segments = split(pattern);
    rules_.push_back(std::move(rule));
  }
}

bool GitRules::last_word(const std::string& path, bool is_directory) const {
  const std::vector<std::string> parts = split(path);
  bool excluded = false;
  for (const Rule& rule : rules_) {
    if (rule.directories && !is_directory) continue;
    const bool matches = rule.of_name ? name_matches(rule.segments.front(), parts.back())
                                      : path_matches(rule.segments, parts);
    if (matches) excluded = !rule.negated;
  }
  return excluded;
}

bool GitRules::excludes(const std::string& path, bool is_directory) const {
  if (rules_.empty()) return false;
  for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    if (last_word(path.substr(0, at), true)) return true;
  }
  return last_word(path, is_directory);
}

}  // namespace mirrorfs::simulation
