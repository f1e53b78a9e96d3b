// Objects with several names to which an operation was not applied.
#pragma once

#include <algorithm>
#include <unordered_map>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::state {

/// The mark on the name that the operation went through may be resolved by another object that has
/// the name now, or by none; the one that was changed lives on under names that may not be known.
/// So it is owed until the replica has a reading of the object itself, under whatever name.
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
  /// It has no name any more.
  void gone(const ObjectId& object) { owed_.erase(object); }
  /// A walk that met all there is began when all up to `recorded` was recorded: they are gone.
  void walked(SequenceNumber recorded) {
    std::erase_if(owed_, [recorded](const auto& owed) { return owed.second <= recorded; });
  }
  [[nodiscard]] std::size_t size() const { return owed_.size(); }

 private:
  std::unordered_map<ObjectId, SequenceNumber> owed_;  ///< the last operation each
};

}  // namespace mirrorfs::state
