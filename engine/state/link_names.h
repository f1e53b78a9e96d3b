// The names of objects that have several.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mirrorfs/operation.h"

namespace mirrorfs::state {

/// Source identity → the names under which the replica is known to have it, so that a further name
/// is linked instead of copied and a write finds its object whatever name is left. Only objects
/// with more than one link are kept. A name that is marked, or whose directory is to be walked, is
/// not known to be right: release it. Ring thread only.
class LinkNames {
 public:
  /// A name belongs to one object: it is taken from another that had it.
  void add(const ObjectId& object, const Location& name);
  void rename(const ObjectId& object, const Location& from, const Location& to);
  /// Both names at once: releasing one would lose the other.
  void exchange(const ObjectId& one, const Location& its_name, const ObjectId& other,
                const Location& other_name);
  void release(const Location& name);
  void release_directory(const ObjectId& directory);
  void forget(const ObjectId& object);
  void clear();

  /// What the replica has as the object, for as long as any name is known; no longer what it had.
  void set_copy(const ObjectId& object, const ObjectId& replica);
  [[nodiscard]] std::optional<ObjectId> copy_of(const ObjectId& object) const;
  /// Whose copy this object of the replica is known to be.
  [[nodiscard]] std::optional<ObjectId> owner_of(const ObjectId& replica) const;

  /// The replica has several copies of the object, since its filesystem takes no more names of one:
  /// what changes the object has to be done to each. For as long as any name is known.
  void set_split(const ObjectId& object) { split_.insert(object); }
  [[nodiscard]] bool is_split(const ObjectId& object) const { return split_.contains(object); }

  [[nodiscard]] bool contains(const ObjectId& object) const { return names_.contains(object); }
  [[nodiscard]] std::vector<Location> all(const ObjectId& object) const;
  [[nodiscard]] std::size_t count(const ObjectId& object) const;
  /// The name is known to be one of the object's.
  [[nodiscard]] bool has(const ObjectId& object, const Location& name) const;
  /// One of its names, about by age; nothing from count() on. An object may have tens of thousands.
  [[nodiscard]] std::optional<Location> at(const ObjectId& object, std::size_t index,
                                           bool last_first) const;
  [[nodiscard]] std::optional<Location> any(const ObjectId& object) const;

 private:
  struct Owner {
    ObjectId object;
    std::size_t index = 0;  ///< in its names
  };
  void remove_name(const Owner& owner);
  void drop_copy(const ObjectId& object);

  std::unordered_map<ObjectId, std::vector<Location>> names_;
  std::unordered_map<ObjectId, std::unordered_map<std::string, Owner>> owners_;  ///< by directory
  std::unordered_set<ObjectId> split_;
  std::unordered_map<ObjectId, ObjectId> copies_;  ///< source → replica, of objects in names_
  std::unordered_map<ObjectId, ObjectId> owners_of_copies_;  ///< replica → source
};

}  // namespace mirrorfs::state
