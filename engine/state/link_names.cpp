#include "engine/state/link_names.h"

#include <algorithm>
#include <utility>

namespace mirrorfs::state {

void LinkNames::add(const ObjectId& object, const Location& name) {
  auto& names = names_[object];
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  release(name);
  names_[object].push_back(name);
  owners_[name.parent][name.name] = object;
}

void LinkNames::rename(const ObjectId& object, const Location& from, const Location& to) {
  release(to);
  if (!contains(object)) return;
  release(from);
  add(object, to);
}

void LinkNames::remove_name(const ObjectId& object, const Location& name) {
  const auto found = names_.find(object);
  if (found == names_.end()) return;
  std::erase(found->second, name);
  if (found->second.empty()) names_.erase(found);
}

void LinkNames::release(const Location& name) {
  const auto directory = owners_.find(name.parent);
  if (directory == owners_.end()) return;
  const auto owner = directory->second.find(name.name);
  if (owner == directory->second.end()) return;
  remove_name(owner->second, name);
  directory->second.erase(owner);
  if (directory->second.empty()) owners_.erase(directory);
}

void LinkNames::release_directory(const ObjectId& directory) {
  const auto found = owners_.find(directory);
  if (found == owners_.end()) return;
  for (const auto& [name, object] : found->second) remove_name(object, {directory, name});
  owners_.erase(found);
}

void LinkNames::forget(const ObjectId& object) {
  split_.erase(object);
  for (const Location& name : all(object)) release(name);
}

void LinkNames::clear() {
  split_.clear();
  names_.clear();
  owners_.clear();
}

std::vector<Location> LinkNames::all(const ObjectId& object) const {
  const auto found = names_.find(object);
  return found == names_.end() ? std::vector<Location>{} : found->second;
}

std::size_t LinkNames::count(const ObjectId& object) const {
  const auto found = names_.find(object);
  return found == names_.end() ? 0 : found->second.size();
}

std::optional<Location> LinkNames::any(const ObjectId& object) const {
  const auto found = names_.find(object);
  if (found == names_.end()) return std::nullopt;
  return found->second.front();
}

}  // namespace mirrorfs::state
