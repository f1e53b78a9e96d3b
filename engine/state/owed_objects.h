// Objects with several names of which the replica may not have all that it should.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::state {

/// An operation was not applied: the mark on the name that it went through may be resolved by
/// another object that has the name now, or by none; the one that was changed lives on under names
/// that may not be known. So it is owed until the replica has a reading of the object itself, under
/// whatever name.
///
/// Or fewer names of it are known than it has: a name that was read when it was the only one is not
/// noted, and a further one may have become an object of its own. So the others are owed until they
/// are met, or a walk that began later did not: then they are outside the tree.
/// Ring thread only.
class OwedObjects {
 public:
  void add(const ObjectId& object, SequenceNumber number) {
    SequenceNumber& owed = owed_[object];
    owed = std::max(owed, number);
  }
  /// The replica has what was read of it, which was begun when all up to `recorded` was recorded.
  void read(const ObjectId& object, SequenceNumber recorded) {
    const auto found = owed_.find(object);
    if (found != owed_.end() && found->second <= recorded) owed_.erase(found);
  }
  /// Of its `links` names so many are known.
  void know_names(const ObjectId& object, std::size_t links, std::size_t known) {
    const std::size_t unknown = links > known ? links - known : 0;
    if (unknown == 0) {
      forget_unknown(object);
      outside_.erase(object);
      return;
    }
    const auto outside = outside_.find(object);
    const bool as_before = outside != outside_.end() && outside->second == unknown;
    const auto found = unknown_.find(object);
    if (found == unknown_.end() && as_before) return;
    // A walk meets the names one by one: how many are unknown may pass through what it was.
    Unknown& entry = unknown_.try_emplace(object, Unknown{.walk = walks_}).first->second;
    missed_ -= entry.missed ? 1 : 0;
    entry.names = unknown;
    entry.missed = !as_before;
    missed_ += entry.missed ? 1 : 0;
  }
  void walk_begins() {
    ++walks_;
    std::erase_if(unknown_, [](const auto& unknown) { return !unknown.second.missed; });
  }
  /// It has no name any more.
  void gone(const ObjectId& object) {
    owed_.erase(object);
    forget_unknown(object);
    outside_.erase(object);
  }
  /// The last walk met all there is, and was begun when all up to `recorded` was recorded: what was
  /// owed before is gone, or outside.
  void walked(SequenceNumber recorded) {
    std::erase_if(owed_, [recorded](const auto& owed) { return owed.second <= recorded; });
    std::erase_if(unknown_, [&](const auto& unknown) {
      if (unknown.second.walk >= walks_) return false;
      outside_[unknown.first] = unknown.second.names;
      missed_ -= unknown.second.missed ? 1 : 0;
      return true;
    });
  }
  [[nodiscard]] std::size_t size() const { return owed_.size() + missed_; }

 private:
  struct Unknown {
    std::uint64_t walk;  ///< the last that had begun when the first of them was missed
    std::size_t names = 0;
    bool missed = false;  ///< so many are not known to be outside
  };
  void forget_unknown(const ObjectId& object) {
    const auto found = unknown_.find(object);
    if (found == unknown_.end()) return;
    missed_ -= found->second.missed ? 1 : 0;
    unknown_.erase(found);
  }

  std::unordered_map<ObjectId, SequenceNumber> owed_;  ///< the last operation each
  std::unordered_map<ObjectId, Unknown> unknown_;
  std::unordered_map<ObjectId, std::size_t> outside_;  ///< how many names
  std::size_t missed_ = 0;                             ///< of the unknown
  std::uint64_t walks_ = 0;
};

}  // namespace mirrorfs::state
