// Times that still have to be set, once nothing disturbs them any more.
#pragma once

#include <optional>
#include <unordered_map>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::state {

/// Every write moves a file's mtime on the replica, every entry made or removed its directory's.
/// The source's value, known from each operation, is set when no further operation waits for the
/// object. Ring thread only.
class PendingTimes {
 public:
  /// What an applied operation left to set.
  void note(const Operation& operation, SequenceNumber number);
  /// `after` is the source's state at least as of `number`; an older note changes nothing.
  void note(const ObjectId& object, const Metadata& after, SequenceNumber number);

  /// That operation has set them itself; what a later reading found is still to be set.
  void set_by(const ObjectId& object, SequenceNumber number);

  [[nodiscard]] bool pending(const ObjectId& object) const { return pending_.contains(object); }
  [[nodiscard]] std::optional<Metadata> take(const ObjectId& object);
  void drop(const ObjectId& object) { pending_.erase(object); }
  [[nodiscard]] std::size_t size() const { return pending_.size(); }

 private:
  struct Pending {
    SequenceNumber number;
    Metadata after;
  };
  std::unordered_map<ObjectId, Pending> pending_;
};

}  // namespace mirrorfs::state
