// Which source directory each directory of the replica mirrors.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>

#include "mirrorfs/types.h"

namespace mirrorfs::state {

/// A replica directory mirrors one source directory as long as it exists and is never turned into
/// another's: something may be under way in it through a descriptor. One that is given up is an
/// orphan; it may be adopted only when every operation that had been recorded by then, and every
/// use that had begun, has ended. Ring thread only.
class ReplicaOwners {
 public:
  enum class Standing : std::uint8_t {
    kFree,    ///< mirrors nothing: may be taken for any source directory
    kOwn,     ///< mirrors the source directory asked for
    kOthers,  ///< mirrors another one, or is an orphan in which something may be under way
  };

  /// Something that is not an operation works in directories of the replica while this lives.
  class Use {
   public:
    explicit Use(ReplicaOwners& owners) : owners_(owners), number_(++owners.last_use_) {
      owners_.uses_.insert(number_);
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() { owners_.uses_.erase(number_); }

   private:
    ReplicaOwners& owners_;
    std::uint64_t number_;
  };

  [[nodiscard]] Standing standing(const ObjectId& replica, const ObjectId& source) const;
  [[nodiscard]] std::optional<ObjectId> owner(const ObjectId& replica) const;

  void own(const ObjectId& replica, const ObjectId& source);
  /// Nobody's from now on; operations up to `recorded`, and uses, may still be under way in it.
  void orphan(const ObjectId& replica, SequenceNumber recorded);
  /// It was removed.
  void erase(const ObjectId& replica);
  /// All operations up to `finished` have ended. Orphans in which a use is under way stay.
  void release_orphans(SequenceNumber finished);

  [[nodiscard]] std::size_t size() const { return owners_.size() + orphans_.size(); }

 private:
  struct UnderWay {
    SequenceNumber recorded;
    std::uint64_t last_use = 0;
  };

  std::unordered_map<ObjectId, ObjectId> owners_;  ///< replica → source
  std::unordered_map<ObjectId, UnderWay> orphans_;
  std::uint64_t last_use_ = 0;
  std::set<std::uint64_t> uses_;
};

}  // namespace mirrorfs::state
