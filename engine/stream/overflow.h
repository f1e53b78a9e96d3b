// What is left of operations that found the queue full: the names that have to be compared.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "mirrorfs/footprint.h"

namespace mirrorfs::stream {

/// Folded from any number of operations in bounded memory: past some names in one directory the
/// whole directory is meant, past some directories the whole tree. Takes kMostBytes at most.
class Overflow {
 public:
  static constexpr std::size_t kMostNamesInDirectory = 64;
  static constexpr std::size_t kMostDirectories = 1024;
  static constexpr std::size_t kMostNames = 8192;
  static constexpr std::size_t kMostObjects = 1024;
  static constexpr std::size_t kMostBytes =
      kMostNames * 400 + kMostDirectories * 256 + 2 * kMostObjects * 64;

  struct Directory {
    bool whole = false;  ///< any entry may differ; `names` is empty
    std::unordered_set<std::string> names;
  };

  /// The operation may have changed all that its footprint names. Without memory for it: all.
  void add(const Footprint& footprint, const Operation& operation) noexcept;
  void add_everything() noexcept;

  [[nodiscard]] bool everything() const { return everything_; }
  [[nodiscard]] const std::unordered_map<ObjectId, Directory>& directories() const {
    return directories_;
  }
  /// Objects with several names, of which only some may be among the entries.
  [[nodiscard]] const std::unordered_set<ObjectId>& linked_objects() const {
    return linked_objects_;
  }
  [[nodiscard]] const std::unordered_set<ObjectId>& removed_directories() const {
    return removed_directories_;
  }

 private:
  void add_entry(const Location& entry);
  void add_linked_objects(const Footprint& footprint, const Operation& operation);
  void add_removed_directories(const Operation& operation);

  bool everything_ = false;
  std::size_t names_ = 0;
  std::unordered_map<ObjectId, Directory> directories_;
  std::unordered_set<ObjectId> linked_objects_;
  std::unordered_set<ObjectId> removed_directories_;
};

}  // namespace mirrorfs::stream
