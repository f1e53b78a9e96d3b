#include "engine/exclude/exclusion.h"

#include <algorithm>

namespace mirrorfs::exclude {
namespace {

Patterns patterns_from(const std::vector<std::string>& list) {
  Patterns patterns;
  for (const std::string& pattern : list) static_cast<void>(patterns.add(pattern));
  return patterns;
}

}  // namespace

Exclusion::Exclusion(const std::vector<std::string>& patterns,
                     const std::vector<std::vector<std::string>>& before)
    : patterns_(patterns_from(patterns)) {
  for (const std::vector<std::string>& earlier : before) {
    before_.push_back(patterns_from(earlier));
  }
}

bool Exclusion::leaves_alone(std::string_view path, std::optional<bool> directory_in_source,
                             std::optional<bool> directory_in_replica) const {
  if (patterns_.empty()) return false;
  if (directory_in_source && patterns_.matches(path, *directory_in_source)) return true;
  if (!directory_in_replica || directory_in_replica == directory_in_source) return false;
  return patterns_.matches(path, *directory_in_replica);
}

bool Exclusion::hides_content(std::string_view path) const {
  return std::ranges::any_of(before_, [path](const Patterns& earlier) {
    return earlier.excludes(path, false) || earlier.excludes(path, true);
  });
}

std::string joined(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && !name.empty()) path += '/';
  return path += name;
}

}  // namespace mirrorfs::exclude
