#include "engine/journal/roles.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <utility>

#include "mirrorfs/mirror.h"

namespace mirrorfs::journal {
namespace {

template <class... A>
std::unexpected<std::string> refuse(fmt::format_string<A...> line, A&&... values) {
  return std::unexpected(fmt::format(line, std::forward<A>(values)...));
}

bool is_set(const timespec& time) { return time.tv_sec != 0 || time.tv_nsec != 0; }

const std::string& path(const TreeFacts& tree) { return tree.identity.path; }

bool is_peer(const PairRecord& record, const TreeFacts& tree) {
  return record.peer.same_tree(tree.identity);
}

/// The source was there before, in a later state than it is now; or it is on another disk, and is
/// not in the state in which it was left. Says nothing when the clock was set back since: then its
/// ctimes say nothing either.
bool is_another_state(const Roles& roles, const PairRecord& record) {
  const timespec& seen = record.peer_ctime;
  if (!is_set(seen) || is_before(roles.now, seen)) return false;
  const std::string& disk = roles.source.identity.device;
  const bool moved = !disk.empty() && !record.peer.device.empty() && disk != record.peer.device;
  // A session that did not end may have changed the root itself.
  if (moved && record.session.ended && !same_time(roles.source.ctime, seen)) return true;
  return is_before(roles.source.ctime, seen);
}

StartUp<Ruling> rule_for_its_replica(const Roles& roles, const PairRecord& record) {
  const std::string& source = path(roles.source);
  const std::string& replica = path(roles.replica);
  if (is_another_state(roles, record)) {
    return refuse(
        "source '{}' is an older state, or a clone, of what '{}' is the replica of: it was last "
        "touched {}, the replica's source {}; the replica is newer: to go on with it, mirrorctl "
        "promote '{}'; to mirror this source, give an empty replica",
        source, replica, in_words(roles.source.ctime), in_words(record.peer_ctime), replica);
  }
  return Ruling{.kind = Ruling::Kind::kKnownPair, .record = record};
}

std::unexpected<std::string> refuse_other_source(const Roles& roles, const PairRecord& record) {
  const std::string& source = path(roles.source);
  const std::string& replica = path(roles.replica);
  if (roles.source.empty) {
    return refuse(
        "source '{}' is empty, and another source than '{}', which '{}' is the replica of: is its "
        "disk mounted? Nothing was changed; if that source is lost, mirrorctl promote '{}'",
        source, record.peer.path, replica, replica);
  }
  return refuse(
      "replica '{}' belongs to another source ('{}', generation {}) than '{}': is the right disk "
      "mounted? To give the replica up, remove '{}/{}', then give --adopt",
      replica, record.peer.path, record.generation, source, replica, kReservedName);
}

/// The tree that is to be the replica was promoted, or mounted as a source.
StartUp<Ruling> rule_for_a_source(const Roles& roles, const PairRecord& record) {
  const std::string& source = path(roles.source);
  const std::string& replica = path(roles.replica);
  const auto& ours = roles.source.record;
  if (ours && is_peer(*ours, roles.replica)) {
    if (ours->role == Role::kReplica) {
      return refuse(
          "'{}' is the replica of '{}' (generation {}): mirroring it back needs mirrorctl promote "
          "'{}' first",
          source, replica, ours->generation, source);
    }
    // It was chosen since the other was used: whatever else was written there is kept aside.
    if (is_before(record.used, ours->role_since)) {
      return Ruling{.kind = Ruling::Kind::kTurned, .record = *ours};
    }
    return refuse(
        "both '{}' (since {}) and '{}' (used {}) were made a source, and the latter is newer: "
        "nothing was changed; mirrorctl promote the one to keep once more",
        source, in_words(ours->role_since), replica, in_words(record.used));
  }
  return refuse(
      "'{}' is the source since {} (generation {}) and newer than '{}': nothing was changed; to "
      "bring '{}' up to date, mount the other way round: mirrorfs '{}' '{}' MNT",
      replica, in_words(record.role_since), record.generation, source, source, replica, source);
}

std::unexpected<std::string> refuse_missing(const Roles& roles, const PairRecord& known) {
  const char* const role =
      known.role == Role::kSource ? "source since its promotion from" : "replica of";
  return refuse(
      "replica '{}' lacks its {}, though it is known as the {} '{}' (generation {}): is its disk "
      "mounted? Nothing was changed; to start it anew, remove {}.pair from the state directory",
      path(roles.replica), kReservedName, role, known.peer.path, known.generation, known.pair_id);
}

/// Its disk is mounted, and it is another pair's from now on: the directory was made anew, or given
/// up. A sync may fill an empty one again, too; a mount of the same pair asks.
bool was_given_up(const Roles& roles, const PairRecord& known) {
  if (!known.own.same_filesystem(roles.replica.identity)) return false;
  if (!is_peer(known, roles.source)) return true;
  return !roles.mounts && roles.replica.empty;
}

/// The path is that of the source's peer, which was something mounted; now nothing is.
bool lacks_its_mount(const PairRecord& record, const TreeFacts& replica) {
  return record.peer.path == replica.identity.path && record.peer.mount_root &&
         !replica.identity.mount_root;
}

Ruling fresh(Ruling::Kind kind, const Roles& roles) {
  Ruling ruling{.kind = kind, .record = {}};
  ruling.record.pair_id = random_id();
  ruling.record.role_since = roles.now;
  return ruling;
}

/// The tree that is to be the replica never was one, or it cannot be told.
StartUp<Ruling> rule_without_record(const Roles& roles) {
  const std::string& source = path(roles.source);
  const std::string& replica = path(roles.replica);
  const auto& ours = roles.source.record;
  if (ours && is_peer(*ours, roles.replica)) {
    if (ours->role == Role::kReplica) {
      return refuse(
          "'{}' is the replica of '{}' (generation {}): mirroring it back would overwrite its "
          "source; if that is meant, mirrorctl promote '{}' first",
          source, replica, ours->generation, source);
    }
    return Ruling{.kind = Ruling::Kind::kTurned, .record = *ours};
  }
  if (ours && lacks_its_mount(*ours, roles.replica)) {
    return refuse(
        "nothing is mounted at replica '{}', where the other side of '{}' was: is its disk "
        "mounted? Nothing was changed",
        replica, source);
  }
  if (roles.known_here && !was_given_up(roles, *roles.known_here)) {
    return refuse_missing(roles, *roles.known_here);
  }
  if (roles.replica.empty) return fresh(Ruling::Kind::kNewPair, roles);
  if (roles.adopt && roles.source.empty) {
    return refuse(
        "source '{}' is empty, --adopt would remove all of '{}': is the disk mounted? Nothing was "
        "changed",
        source, replica);
  }
  if (roles.adopt) return fresh(Ruling::Kind::kAdopted, roles);
  if (roles.source.empty) {
    return refuse(
        "replica '{}' is not empty and was never paired with '{}', which is empty: is the source's "
        "disk mounted? --adopt takes a replica over once the source is there",
        replica, source);
  }
  return refuse(
      "replica '{}' is not empty and was never paired with '{}': mirroring would delete what the "
      "source lacks; give --adopt if that is intended",
      replica, source);
}

StartUp<Ruling> rule_for_replica(const Roles& roles) {
  const auto& record = roles.replica.record;
  if (!record) return rule_without_record(roles);
  if (record->role == Role::kSource) return rule_for_a_source(roles, *record);
  if (is_peer(*record, roles.source)) return rule_for_its_replica(roles, *record);
  return refuse_other_source(roles, *record);
}

/// A line in fstab that asks for adoption outlives it. There it has no effect, but whoever wrote it
/// did not mean a disk that is not mounted, whatever --max-delete says.
bool adopts_for_an_empty_source(const Roles& roles) {
  return roles.adopt && roles.mounts && roles.source.empty && !roles.replica.empty;
}

}  // namespace

StartUp<Ruling> rule(const Roles& roles) {
  auto ruling = rule_for_replica(roles);
  if (!ruling) return ruling;
  if (adopts_for_an_empty_source(roles)) {
    return refuse(
        "source '{}' is empty, but its replica '{}' is not: is the source's disk mounted? Nothing "
        "was changed; if it was emptied on purpose, leave --adopt out",
        path(roles.source), path(roles.replica));
  }
  const auto& ours = roles.source.record;
  ruling->promotes_source = ours && ours->role == Role::kReplica;
  if (ruling->kind == Ruling::Kind::kTurned) {
    ruling->record.role = Role::kReplica;
    ruling->record.role_since = roles.now;
    ruling->record.inner_mounts.clear();  // of the other tree
    ruling->record.capabilities.reset();
  }
  return ruling;
}

std::string in_words(const timespec& time) {
  if (!is_set(time)) return "an unknown time";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(time.tv_sec));
}

}  // namespace mirrorfs::journal
