// Directories that the table knows and the source does not show where the table has them.
#pragma once

#include <chrono>
#include <optional>
#include <unordered_map>
#include <vector>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::live {

/// Mostly a rename is recorded that is still to be applied, and all is well when it is. When every
/// operation that was recorded by the time of the first miss has been applied, and some time more
/// has passed (the source changes a moment before its operation is recorded), nothing will tell the
/// new place: somebody moved or removed the directory behind the mount's back. Ring thread only.
class LostDirectories {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPatience{1000};

  /// `where`: its place in the table, if it has one; `recorded`: the last operation known now. The
  /// first miss in a place counts.
  void missed(const ObjectId& directory, const std::optional<Location>& where,
              SequenceNumber recorded, Clock::time_point now) {
    const auto [miss, first] = missed_.try_emplace(directory, Miss{where, recorded, now});
    if (!first && miss->second.where != where) miss->second = {where, recorded, now};
  }
  /// Returns whether it was lost.
  bool found(const ObjectId& directory) { return missed_.erase(directory) > 0; }
  /// Those that have another place now, which `where_now` tells.
  template <class WhereNow>
  [[nodiscard]] std::vector<ObjectId> moved(const WhereNow& where_now) const {
    std::vector<ObjectId> moved;
    for (const auto& [directory, miss] : missed_) {
      if (where_now(directory) != miss.where) moved.push_back(directory);
    }
    return moved;
  }
  void clear() { missed_.clear(); }
  [[nodiscard]] bool none() const { return missed_.empty(); }

  /// `applied`: all operations up to it are.
  [[nodiscard]] bool is_overdue(const ObjectId& directory, SequenceNumber applied,
                                Clock::time_point now) const {
    const auto miss = missed_.find(directory);
    return miss != missed_.end() && is_overdue(miss->second, applied, now);
  }
  [[nodiscard]] bool any_overdue(SequenceNumber applied, Clock::time_point now) const {
    for (const auto& [directory, miss] : missed_) {
      if (is_overdue(miss, applied, now)) return true;
    }
    return false;
  }

 private:
  struct Miss {
    std::optional<Location> where;
    SequenceNumber recorded;
    Clock::time_point at;
  };
  static bool is_overdue(const Miss& miss, SequenceNumber applied, Clock::time_point now) {
    return miss.recorded <= applied && now - miss.at >= kPatience;
  }

  std::unordered_map<ObjectId, Miss> missed_;
};

}  // namespace mirrorfs::live
