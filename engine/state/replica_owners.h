// Which source directory each directory of the replica mirrors.
#pragma once

#include <optional>
#include <unordered_map>

#include "mirrorfs/types.h"

namespace mirrorfs::state {

/// A replica directory mirrors one source directory as long as it exists and is never turned into
/// another's: operations may be under way in it through a descriptor. One that is given up is an
/// orphan; it may be adopted only when every operation that had been recorded by then is finished.
/// Ring thread only.
class ReplicaOwners {
 public:
  enum class Standing : std::uint8_t {
    kFree,    ///< mirrors nothing: may be taken for any source directory
    kOwn,     ///< mirrors the source directory asked for
    kOthers,  ///< mirrors another one, or is an orphan in which operations may be under way
  };

  [[nodiscard]] Standing standing(const ObjectId& replica, const ObjectId& source) const;
  [[nodiscard]] std::optional<ObjectId> owner(const ObjectId& replica) const;

  void own(const ObjectId& replica, const ObjectId& source);
  /// Nobody's from now on; operations up to `recorded` may still be under way in it.
  void orphan(const ObjectId& replica, SequenceNumber recorded);
  /// It was removed.
  void erase(const ObjectId& replica);
  /// All operations up to `finished` have ended.
  void release_orphans(SequenceNumber finished);

  [[nodiscard]] std::size_t size() const { return owners_.size() + orphans_.size(); }

 private:
  std::unordered_map<ObjectId, ObjectId> owners_;  ///< replica → source
  std::unordered_map<ObjectId, SequenceNumber> orphans_;
};

}  // namespace mirrorfs::state
