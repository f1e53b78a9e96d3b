#include "engine/state/pending_times.h"

#include <stdio.h>

#include <algorithm>

namespace mirrorfs::state {
namespace {

struct Noter {
  PendingTimes& times;
  SequenceNumber number;
  PendingTimes::Clock::time_point now;
  const PendingTimes::Newer& newer;

  void note(const ObjectId& object, const std::optional<Location>& where, const Metadata& after) {
    const Metadata* const read = newer ? newer(object) : nullptr;
    times.note(object, where, read != nullptr ? *read : after, number, now);
  }

  void operator()(const Write& write) { note(write.object, write.where, write.after); }
  void operator()(const Truncate& cut) { note(cut.object, cut.where, cut.after); }
  void operator()(const Allocate& change) { note(change.object, change.where, change.after); }
  void operator()(const SetAttributes& change) {
    if ((change.changed & SetAttributes::kTimes) != 0) {
      note(change.object, change.where, change.after);
    }
  }
  void operator()(const SetXattr&) {}  // moves ctime only
  void operator()(const RemoveXattr&) {}

  template <class Made>
    requires requires(const Made& made) {
      made.after;
      made.parent_after;
    }
  void operator()(const Made& made) {
    note(made.object, made.where, made.after);
    note(made.where.parent, std::nullopt, made.parent_after);
  }
  void operator()(const Link& link) {
    // Under which of its names it is to be looked at would be known no more.
    if (link.after.times_known) times.learn(link.object, link.after);
    note(link.where.parent, std::nullopt, link.parent_after);
  }
  void operator()(const Unlink& unlink) {
    if (unlink.last_link) {
      times.drop(unlink.object);
    } else {
      times.renamed(unlink.object, unlink.other_name);
    }
    note(unlink.where.parent, std::nullopt, unlink.parent_after);
  }
  void operator()(const RemoveDirectory& removed) {
    times.drop(removed.object);
    note(removed.where.parent, std::nullopt, removed.parent_after);
  }
  void operator()(const Rename& rename) {
    times.renamed(rename.object, rename.to);
    if (rename.replaced) {
      const bool exchanged = (rename.flags & RENAME_EXCHANGE) != 0;
      times.renamed(*rename.replaced, exchanged ? std::optional(rename.from) : std::nullopt);
    }
    note(rename.from.parent, std::nullopt, rename.from_parent_after);
    note(rename.to.parent, std::nullopt, rename.to_parent_after);
    if (rename.object_after) note(rename.object, std::nullopt, *rename.object_after);
    if (rename.exchanged_after) note(*rename.replaced, std::nullopt, *rename.exchanged_after);
  }
  void operator()(const LearnDirectory&) {}
  void operator()(const Barrier&) {}
  void operator()(const Unknown&) {}  // what it marks is reconciled with its times
};

}  // namespace

void PendingTimes::note(const Operation& operation, SequenceNumber number, Clock::time_point now,
                        const Newer& newer) {
  std::visit(Noter{*this, number, now, newer}, operation);
}

void PendingTimes::note_parents(const Operation& operation, SequenceNumber number,
                                Clock::time_point now, const Newer& newer) {
  Noter noter{*this, number, now, newer};
  std::visit(
      [&noter]<class Op>(const Op& op) {
        if constexpr (std::is_same_v<Op, Rename>) {
          noter.note(op.from.parent, std::nullopt, op.from_parent_after);
          noter.note(op.to.parent, std::nullopt, op.to_parent_after);
        } else if constexpr (requires { op.parent_after; }) {
          noter.note(op.where.parent, std::nullopt, op.parent_after);
        }
      },
      operation);
}

void PendingTimes::note(const ObjectId& object, const std::optional<Location>& where,
                        const Metadata& after, SequenceNumber number, Clock::time_point now) {
  const auto [place, added] = pending_.try_emplace(object, Pending{number, after, where, now, now});
  Pending& pending = place->second;
  if (added || number < pending.number) return;
  pending.number = number;
  pending.after = after;
  pending.where = where;
  pending.last = now;
}

void PendingTimes::learn(const ObjectId& object, const Metadata& seen) {
  const auto found = pending_.find(object);
  if (found == pending_.end() || found->second.after.times_known) return;
  found->second.after = seen;
}

void PendingTimes::renamed(const ObjectId& object, const std::optional<Location>& where) {
  const auto found = pending_.find(object);
  if (found != pending_.end()) found->second.where = where;
}

void PendingTimes::release(const Location& name) {
  for (auto& [object, pending] : pending_) {
    if (pending.where == name) pending.where.reset();
  }
}

void PendingTimes::release_directory(const ObjectId& directory) {
  for (auto& [object, pending] : pending_) {
    if (pending.where && pending.where->parent == directory) pending.where.reset();
  }
}

const PendingTimes::Pending* PendingTimes::find(const ObjectId& object) const {
  const auto found = pending_.find(object);
  return found == pending_.end() ? nullptr : &found->second;
}

std::vector<ObjectId> PendingTimes::due(Clock::time_point quiet_since,
                                        Clock::time_point longest) const {
  std::vector<ObjectId> result;
  for (const auto& [object, pending] : pending_) {
    if (pending.last <= quiet_since || pending.first <= longest) result.push_back(object);
  }
  return result;
}

std::optional<SequenceNumber> PendingTimes::first_number() const {
  std::optional<SequenceNumber> first;
  for (const auto& [object, pending] : pending_) {
    if (!first || pending.number < *first) first = pending.number;
  }
  return first;
}

PendingTimes::Clock::time_point PendingTimes::oldest(Clock::time_point now) const {
  for (const auto& [object, pending] : pending_) now = std::min(now, pending.first);
  return now;
}

std::vector<ObjectId> PendingTimes::all() const {
  return due(Clock::time_point::max(), Clock::time_point::max());
}

}  // namespace mirrorfs::state
