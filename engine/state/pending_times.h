// Times that still have to be set, once nothing disturbs them any more.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::state {

/// Every write moves a file's mtime on the replica, every entry made or removed its directory's.
/// The source's value, known from an operation or still to be looked at, is set some time later,
/// once for many; so are times that an application has set. Ring thread only.
class PendingTimes {
 public:
  using Clock = std::chrono::steady_clock;

  struct Pending {
    SequenceNumber number;  ///< `after` is the source's state at least as of this
    Metadata after;
    std::optional<Location> where;  ///< a name of the object; of directories the table tells
    Clock::time_point first, last;  ///< when something was noted
  };

  /// What an applied operation left to set. `newer` tells what a reading later than the operation
  /// found of an object, null if there is none.
  using Newer = std::function<const Metadata*(const ObjectId&)>;
  void note(const Operation& operation, SequenceNumber number, Clock::time_point now,
            const Newer& newer = nullptr);
  /// The same of the directories alone in which it changed entries.
  void note_parents(const Operation& operation, SequenceNumber number, Clock::time_point now,
                    const Newer& newer = nullptr);
  /// An older note than the one that is there changes nothing.
  void note(const ObjectId& object, const std::optional<Location>& where, const Metadata& after,
            SequenceNumber number, Clock::time_point now);

  /// The object has another name now, or none that is known.
  void renamed(const ObjectId& object, const std::optional<Location>& where);
  /// Another object may have that name from now on.
  void release(const Location& name);
  void release_directory(const ObjectId& directory);

  /// What a later look found of an object whose times were not known.
  void learn(const ObjectId& object, const Metadata& seen);

  [[nodiscard]] const Pending* find(const ObjectId& object) const;
  void drop(const ObjectId& object) { pending_.erase(object); }
  [[nodiscard]] std::size_t size() const { return pending_.size(); }
  /// Those with nothing noted since `quiet_since`, and those that wait since `longest` or longer.
  [[nodiscard]] std::vector<ObjectId> due(Clock::time_point quiet_since,
                                          Clock::time_point longest) const;
  [[nodiscard]] std::vector<ObjectId> all() const;
  /// The least number of one that is pending.
  [[nodiscard]] std::optional<SequenceNumber> first_number() const;
  /// When the first of those that are pending was noted; `now` when none is.
  [[nodiscard]] Clock::time_point oldest(Clock::time_point now) const;

 private:
  std::unordered_map<ObjectId, Pending> pending_;
};

}  // namespace mirrorfs::state
