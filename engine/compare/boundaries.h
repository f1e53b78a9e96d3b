// Filesystems mounted inside the source: which entries of it are left alone, on both sides.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mirrorfs/metadata.h"
#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::compare {

/// A filesystem that is absent is not an emptied directory: its copy stays. What is no data (proc,
/// sysfs, …) is left out. One thread at a time.
class Boundaries {
 public:
  explicit Boundaries(bool one_file_system = false) : one_file_system_(one_file_system) {}

  /// Start-up: a filesystem is, or was, mounted in the source there (a relative path).
  void learn(int source_root, const std::string& path);
  /// The learnt paths at which nothing is done, as of then.
  [[nodiscard]] const std::vector<std::string>& left_alone() const { return left_alone_; }

  /// Nothing is done to the entry, below it, or to what the replica has there. `source`: null where
  /// the source has none. Tells why in the log, once for each.
  [[nodiscard]] bool leaves_alone(int source_directory, const ObjectId& parent,
                                  const std::string& name, const Metadata* source) const;
  /// The same of a directory that was only named: by whoever is told of it.
  [[nodiscard]] bool leaves_alone(const Location& where, const ObjectId& directory) const;
  /// A change of the entry cannot be taken at its word.
  [[nodiscard]] bool concerns(const Location& where) const {
    return places_.contains(where) || above_.contains(where);
  }

 private:
  struct Place {
    std::string path;
    ObjectId mounted;  ///< the root of what is mounted there; none: it is absent
  };
  [[nodiscard]] bool leaves_mount(int source_directory, const Location& where,
                                  const Metadata& source) const;
  void tell(const Location& where, std::string_view what) const;

  const bool one_file_system_;
  std::unordered_map<Location, Place> places_;
  std::unordered_set<Location> above_;  ///< directories on the way to them
  std::vector<std::string> left_alone_;
  mutable std::unordered_set<Location> told_;
  mutable std::unordered_set<std::uint64_t> left_out_;  ///< devices of what is no data
};

}  // namespace mirrorfs::compare
