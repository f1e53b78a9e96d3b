// Marks: «this object may differ between source and replica».
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::state {

using Clock = std::chrono::steady_clock;

/// `since` of what a reconcile made anew or left to another one: the replica may lack any operation
/// on it, however long ago it completed.
inline constexpr SequenceNumber kSinceEver{};

/// What is known of one entry that may differ.
struct Mark {
  SequenceNumber since;    ///< the first operation that the replica may lack
  unsigned attempts = 0;   ///< reconciles that failed in a row
  Clock::time_point due;   ///< not to be tried before
  std::string cause;       ///< why the replica cannot take it; empty: that is not known yet
  bool from_walk = false;  ///< put off by the walk of its directory, which met it first
};

/// The marks of the running daemon. Directory entries are marked one by one; a directory whose
/// listing is unknown covers everything below it. While the first baseline runs, every directory
/// is unknown until it was walked. Ring thread only.
class Marks {
 public:
  /// Every directory is unknown from now on, until known() says otherwise.
  void begin_baseline(SequenceNumber since);
  /// Every directory not marked since is known from now on.
  void end_baseline();
  [[nodiscard]] bool baseline_running() const { return baseline_running_; }

  [[nodiscard]] bool is_known(const ObjectId& directory) const;
  void set_known(const ObjectId& directory);
  void set_unknown(const ObjectId& directory, SequenceNumber since);

  /// Changes whenever the directory becomes unknown again: a walk that began before does not make
  /// it known.
  [[nodiscard]] std::uint64_t unknown_generation(const ObjectId& directory) const;

  /// Returns true when the entry had no mark. An older mark keeps its `since`.
  bool mark(const Location& entry, SequenceNumber since);
  [[nodiscard]] Mark* find(const Location& entry);
  [[nodiscard]] bool is_marked(const Location& entry) const;
  /// Was tried, and the replica cannot take it for now.
  [[nodiscard]] bool is_failing(const Location& entry) const;
  void clear(const Location& entry);

  /// The directory is gone or its whole listing was reconciled: its entries' marks with it.
  void forget_directory(const ObjectId& directory);

  /// Failed entries whose time has come.
  [[nodiscard]] std::vector<Location> due(Clock::time_point now) const;
  [[nodiscard]] std::vector<Location> all() const;

  [[nodiscard]] std::size_t entries() const { return entries_; }
  [[nodiscard]] std::size_t unknown_directories() const { return unknown_.size(); }
  [[nodiscard]] std::size_t failing() const;
  [[nodiscard]] bool none() const {
    return entries_ == 0 && unknown_.empty() && !baseline_running_;
  }

  /// Nothing that completed up to `number` is under a mark.
  [[nodiscard]] bool clean_through(SequenceNumber number) const;
  /// Of each marked entry that lacks what completed up to `number` it is known that the replica
  /// cannot take it for now. Unknown directories are left out.
  [[nodiscard]] bool decided_through(SequenceNumber number) const;

  /// Marks with a cause, at most `most`.
  [[nodiscard]] std::vector<std::pair<Location, std::string>> failures(std::size_t most) const;

 private:
  using Entries = std::unordered_map<std::string, Mark>;
  std::unordered_map<ObjectId, Entries> marks_;
  std::size_t entries_ = 0;
  struct Unknown {
    SequenceNumber since;
    std::uint64_t generation = 0;
  };
  std::unordered_map<ObjectId, Unknown> unknown_;
  std::uint64_t generations_ = 0;
  std::unordered_set<ObjectId> known_;  ///< only while the baseline runs
  bool baseline_running_ = false;
  SequenceNumber baseline_since_;
};

}  // namespace mirrorfs::state
