// What an operation may change, told before it is tried.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mirrorfs/operation.h"

namespace mirrorfs {

/// What else an object is called that is changed under one of its names, or loses one.
struct OtherNames {
  ObjectId object;
  std::vector<Location> known;
  bool all = false;  ///< it has no others
};

/// The objects and directory entries that an operation may change. Computed under the locks under
/// which the source is changed, right before: only there are names stable. It outlives the
/// operation's own fate: when nobody can tell what happened, this is what has to be compared.
class Footprint {
 public:
  static constexpr std::size_t kMostObjects = 2;
  static constexpr std::size_t kMostEntries = 2;

  Footprint& object(const ObjectId& id) {
    assert(object_count_ < kMostObjects);
    objects_[object_count_++] = id;
    return *this;
  }
  Footprint& entry(Location where) {
    assert(entry_count_ < kMostEntries);
    entries_[entry_count_++] = std::move(where);
    return *this;
  }
  Footprint& entry(std::optional<Location> where) {
    return where ? entry(std::move(*where)) : *this;
  }

  [[nodiscard]] std::span<const ObjectId> objects() const {
    return std::span(objects_).first(object_count_);
  }
  [[nodiscard]] std::span<const Location> entries() const {
    return std::span(entries_).first(entry_count_);
  }

  /// The object has a name, and nobody knows which.
  Footprint& name_unknown() {
    leads_nowhere_ = true;
    return *this;
  }
  /// What differs cannot be found by the entries.
  [[nodiscard]] bool leads_nowhere() const { return leads_nowhere_; }

  /// For a journal that is to outlive a power cut: the name in entries() may be gone then, and what
  /// was done to the object not. Of the object whose content or attributes may change, or of that
  /// which loses the last of entries().
  Footprint& other_names(OtherNames names) {
    others_ = std::make_shared<const OtherNames>(std::move(names));
    return *this;
  }
  /// Null: it has none, or nobody asked.
  [[nodiscard]] const OtherNames* other_names() const { return others_.get(); }

  /// What may become of what it names.
  enum class Change : unsigned char {
    kNames,    ///< an entry may stand for another object, or for none
    kObject,   ///< the entries stay as they are; content or attributes of the object may not
    kNothing,  ///< the engine is told something, and the source stays as it is
  };
  Footprint& change(Change kind) {
    change_ = kind;
    return *this;
  }
  [[nodiscard]] Change change() const { return change_; }

  /// Bytes that the names take beside the object itself.
  [[nodiscard]] std::size_t heap_bytes() const;

 private:
  std::array<ObjectId, kMostObjects> objects_{};
  std::array<Location, kMostEntries> entries_{};
  std::shared_ptr<const OtherNames> others_;
  unsigned char object_count_ = 0, entry_count_ = 0;
  bool leads_nowhere_ = false;
  Change change_ = Change::kNames;
};

}  // namespace mirrorfs
