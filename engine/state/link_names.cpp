#include "engine/state/link_names.h"

#include <algorithm>
#include <utility>

namespace mirrorfs::state {

void LinkNames::add(const ObjectId& object, const Location& name) {
  if (has(object, name)) return;
  release(name);
  std::vector<Location>& names = names_[object];
  owners_[name.parent][name.name] = {object, names.size()};
  names.push_back(name);
}

void LinkNames::rename(const ObjectId& object, const Location& from, const Location& to) {
  release(to);
  if (!contains(object)) return;
  const auto copy = copy_of(object);
  release(from);
  add(object, to);
  if (copy) set_copy(object, *copy);
}

void LinkNames::exchange(const ObjectId& one, const Location& its_name, const ObjectId& other,
                         const Location& other_name) {
  const bool known = contains(one), other_known = contains(other);
  const auto copy = copy_of(one), other_copy = copy_of(other);
  release(its_name);
  release(other_name);
  if (known) add(one, other_name);
  if (other_known) add(other, its_name);
  if (copy) set_copy(one, *copy);
  if (other_copy) set_copy(other, *other_copy);
}

/// The last one takes its place: an object may have tens of thousands.
void LinkNames::remove_name(const Owner& owner) {
  const auto found = names_.find(owner.object);
  std::vector<Location>& names = found->second;
  if (owner.index + 1 < names.size()) {
    Location& place = names[owner.index];
    place = std::move(names.back());
    owners_.at(place.parent).at(place.name).index = owner.index;
  }
  names.pop_back();
  if (!names.empty()) return;
  names_.erase(found);
  drop_copy(owner.object);
}

void LinkNames::set_copy(const ObjectId& object, const ObjectId& replica) {
  if (!contains(object)) return;
  drop_copy(object);
  if (const auto before = owner_of(replica)) drop_copy(*before);
  copies_[object] = replica;
  owners_of_copies_[replica] = object;
}

void LinkNames::drop_copy(const ObjectId& object) {
  const auto copy = copies_.find(object);
  if (copy == copies_.end()) return;
  owners_of_copies_.erase(copy->second);
  copies_.erase(copy);
}

std::optional<ObjectId> LinkNames::copy_of(const ObjectId& object) const {
  const auto copy = copies_.find(object);
  if (copy == copies_.end()) return std::nullopt;
  return copy->second;
}

std::optional<ObjectId> LinkNames::owner_of(const ObjectId& replica) const {
  const auto owner = owners_of_copies_.find(replica);
  if (owner == owners_of_copies_.end()) return std::nullopt;
  return owner->second;
}

void LinkNames::release(const Location& name) {
  const auto directory = owners_.find(name.parent);
  if (directory == owners_.end()) return;
  const auto owner = directory->second.find(name.name);
  if (owner == directory->second.end()) return;
  remove_name(owner->second);
  directory->second.erase(owner);
  if (directory->second.empty()) owners_.erase(directory);
}

void LinkNames::release_directory(const ObjectId& directory) {
  const auto found = owners_.find(directory);
  if (found == owners_.end()) return;
  for (const auto& [name, owner] : found->second) remove_name(owner);
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
  copies_.clear();
  owners_of_copies_.clear();
}

std::vector<Location> LinkNames::all(const ObjectId& object) const {
  const auto found = names_.find(object);
  return found == names_.end() ? std::vector<Location>{} : found->second;
}

std::size_t LinkNames::count(const ObjectId& object) const {
  const auto found = names_.find(object);
  return found == names_.end() ? 0 : found->second.size();
}

bool LinkNames::has(const ObjectId& object, const Location& name) const {
  const auto directory = owners_.find(name.parent);
  if (directory == owners_.end()) return false;
  const auto owner = directory->second.find(name.name);
  return owner != directory->second.end() && owner->second.object == object;
}

std::optional<Location> LinkNames::at(const ObjectId& object, std::size_t index,
                                      bool last_first) const {
  const auto found = names_.find(object);
  if (found == names_.end() || index >= found->second.size()) return std::nullopt;
  return found->second[last_first ? found->second.size() - 1 - index : index];
}

std::optional<Location> LinkNames::any(const ObjectId& object) const {
  const auto found = names_.find(object);
  if (found == names_.end()) return std::nullopt;
  return found->second.front();
}

}  // namespace mirrorfs::state
