// Who may be mirrored to whom: one decision, from what both trees and the state directory say (G8).
#pragma once

#include <optional>
#include <string>

#include "engine/journal/pair_record.h"

namespace mirrorfs::journal {

/// What is known of one of the two trees.
struct TreeFacts {
  TreeIdentity identity;
  std::optional<PairRecord> record;
  timespec ctime{};    ///< of its root
  bool empty = false;  ///< but for what is ours
};

struct Roles {
  TreeFacts source, replica;
  /// A pair whose replica stood at this path when this machine last saw it.
  std::optional<PairRecord> known_here;
  bool adopt = false;
  bool mounts = false;  ///< applications will write to the source
  timespec now{};
};

struct Ruling {
  enum class Kind {
    kKnownPair,  ///< the replica is this source's
    kTurned,     ///< the roles have changed: the replica is the older generation of the same data
    kNewPair,    ///< the replica is empty
    kAdopted,
  };
  Kind kind = Kind::kNewPair;
  /// What the replica's record will say. `session` is that of the last session of the two,
  /// whichever way it went.
  PairRecord record = {};
  /// The source has a record that says «replica»: a mount makes it a source.
  bool promotes_source = false;
  /// The replica's record as found, and whether the replica is the directory that this names.
  std::optional<PairRecord> found = {};
  bool same_replica = false;

  /// What its filesystem was found to hold; none: it has to be asked, for the first time or because
  /// this is another directory than the one that was.
  [[nodiscard]] std::optional<Capabilities> known_capabilities() const {
    const bool known = kind == Kind::kKnownPair && same_replica;
    return known ? record.capabilities : std::nullopt;
  }
};

/// A refusal is one line.
[[nodiscard]] StartUp<Ruling> rule(const Roles& roles);

/// "2026-11-26 12:45:51 UTC"; "an unknown time" for 0.
[[nodiscard]] std::string in_words(const timespec& time);

}  // namespace mirrorfs::journal
