// Those who wait for some paths only: mirrorctl wait MNT PATH.
#pragma once

#include <functional>
#include <list>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/live/live_state.h"

namespace mirrorfs::live {

class Dispatcher;
class Durability;

/// What some paths stand for is durable when no operation on it is under way, nothing of it is
/// marked or still to be walked, and a sync of the replica began after that. Looked at from time to
/// time, on the way back from the source's names to the directory table; an object that may have
/// left them meanwhile, so that a mark elsewhere may stand for it, makes a wait one for everything.
/// Ring thread only.
class PathWaits {
 public:
  using Clock = ring::Clock;
  PathWaits(LiveState& state, Durability& durability, const Dispatcher& dispatcher)
      : state_(state), durability_(durability), dispatcher_(dispatcher) {}

  /// True when all that completed on the paths before the call is durable; false: not by then, or
  /// the mirror stops. A path that the source lacks stands for its name.
  [[nodiscard]] ring::Task<bool> wait(std::vector<std::string> paths, Clock::time_point deadline);

  /// An operation is about to begin, or an overflow to be marked.
  void begins(const stream::Recorded& recorded);
  /// A reconcile wrote in this directory, or made it equal.
  void reconciled(const ObjectId& directory);
  void stop() { stopped_ = true; }

 private:
  /// What the paths of one wait stand for.
  struct Scope {
    bool resolved = false;
    bool everything = false;                   ///< it cannot be told what they stand for any more
    bool rewritten = false;                    ///< something of it, since the last sync began
    std::unordered_set<Location> entries;      ///< the paths, and all on the way to them
    std::unordered_set<ObjectId> directories;  ///< with all below them
    std::vector<ObjectId> linked;              ///< files with several names
    std::unordered_set<ObjectId> single;       ///< refused attributes, and have one name
  };

  [[nodiscard]] ring::Task<void> resolve(const std::vector<std::string>& paths, Scope& scope);
  [[nodiscard]] ring::Task<void> resolve_one(std::vector<std::string> names, Scope& scope);
  [[nodiscard]] ring::Task<bool> reached(Scope& scope, SequenceNumber number);
  [[nodiscard]] bool is_settled(const Scope& scope, SequenceNumber number) const;
  [[nodiscard]] bool is_settled(const Location& entry) const;
  [[nodiscard]] bool is_settled_below(const ObjectId& directory) const;
  [[nodiscard]] ring::Task<void> look_at_refused(Scope& scope);
  [[nodiscard]] bool lacks_an_attribute(const Scope& scope) const;
  [[nodiscard]] bool nothing_under_way_in(const Scope& scope) const;
  enum class Inside { kNo, kYes, kUnknown };
  [[nodiscard]] Inside inside(const Scope& scope, ObjectId directory) const;
  [[nodiscard]] bool may_leave(const Scope& scope, const stream::Recorded& recorded) const;
  [[nodiscard]] bool may_touch(const Scope& scope, const Location& entry) const;

  LiveState& state_;
  Durability& durability_;
  const Dispatcher& dispatcher_;
  std::list<Scope*> scopes_;
  bool stopped_ = false;
};

}  // namespace mirrorfs::live
