// What of the entries is excluded, as of the table's paths.
#include <algorithm>
#include <array>

#include "engine/state/directory_table.h"

namespace mirrorfs::state {

std::optional<std::string> DirectoryTable::full_path(const ObjectId& directory) const {
  std::string path;
  ObjectId at = directory;
  for (std::size_t steps = 0; at != root_; ++steps) {
    const auto found = entries_.find(at);
    const bool broken = found == entries_.end() || !found->second.where;
    if (broken || steps > entries_.size()) return std::nullopt;
    path = exclude::joined(found->second.where->name, path);
    at = found->second.where->parent;
  }
  return path;
}

DirectoryTable::Placement DirectoryTable::placement(const Location& where,
                                                    bool is_directory) const {
  const bool root = where.name.empty();
  if (exclusion_ == nullptr || exclusion_->empty() || root) return Placement::kIncluded;
  if (!contains(where.parent)) return Placement::kAbsent;
  const exclude::Patterns& patterns = exclusion_->patterns();
  std::string path = where.name;
  if (patterns.any_of_places()) {
    const auto parent = full_path(where.parent);
    if (!parent) return Placement::kUnknown;
    path = exclude::joined(*parent, where.name);
  }
  return patterns.matches(path, is_directory) ? Placement::kExcluded : Placement::kIncluded;
}

bool DirectoryTable::move_matters(const Location& from, const Location& to) const {
  if (exclusion_ == nullptr || !exclusion_->patterns().any_of_places()) return false;
  return std::ranges::any_of(std::array{&from, &to}, [this](const Location* place) {
    const auto parent = full_path(place->parent);
    if (!parent) return true;
    return exclusion_->patterns().any_of_places_below(exclude::joined(*parent, place->name));
  });
}

}  // namespace mirrorfs::state
