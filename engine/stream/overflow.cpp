#include "engine/stream/overflow.h"

#include <new>

#include "engine/stream/operation_facts.h"

namespace mirrorfs::stream {

void Overflow::add(const Footprint& footprint, const Operation& operation) noexcept {
  if (everything_) return;
  if (footprint.leads_nowhere()) return add_everything();
  try {
    for (const Location& entry : footprint.entries()) add_entry(entry);
    add_linked_objects(footprint, operation);
    add_removed_directories(operation);
  } catch (const std::bad_alloc&) {
    return add_everything();
  }
  const bool too_many = directories_.size() > kMostDirectories ||
                        linked_objects_.size() > kMostObjects ||
                        removed_directories_.size() > kMostObjects;
  if (too_many) add_everything();
}

void Overflow::add_everything() noexcept {
  everything_ = true;
  directories_ = {};
  linked_objects_ = {};
  removed_directories_ = {};
}

void Overflow::add_entry(const Location& entry) {
  Directory& directory = directories_[entry.parent];
  if (directory.whole) return;
  if (directory.names.insert(entry.name).second) ++names_;
  if (directory.names.size() <= kMostNamesInDirectory && names_ <= kMostNames) return;
  names_ -= directory.names.size();
  directory = {.whole = true, .names = {}};
}

/// What became of an Unknown's objects is not known, nor how many names they have.
void Overflow::add_linked_objects(const Footprint& footprint, const Operation& operation) {
  if (std::holds_alternative<Unknown>(operation)) {
    linked_objects_.insert(footprint.objects().begin(), footprint.objects().end());
  } else if (const auto object = changed_linked_object(operation)) {
    linked_objects_.insert(*object);
  }
}

void Overflow::add_removed_directories(const Operation& operation) {
  if (const auto directory = removed_directory(operation)) removed_directories_.insert(*directory);
}

}  // namespace mirrorfs::stream
