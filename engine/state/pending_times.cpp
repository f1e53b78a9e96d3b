#include "engine/state/pending_times.h"

namespace mirrorfs::state {
namespace {

struct Noter {
  PendingTimes& times;
  SequenceNumber number;

  void operator()(const Write& write) { times.note(write.object, write.after, number); }
  void operator()(const Truncate& cut) { times.note(cut.object, cut.after, number); }
  void operator()(const Allocate& allocate) { times.note(allocate.object, allocate.after, number); }
  void operator()(const SetAttributes& change) {
    if ((change.changed & SetAttributes::kTimes) != 0) times.set_by(change.object, number);
  }
  void operator()(const SetXattr&) {}                                          // moves ctime only
  void operator()(const RemoveXattr&) {}

  template <class Made>
    requires requires(const Made& made) {
      made.after;
      made.parent_after;
    }
  void operator()(const Made& made) {
    times.note(made.object, made.after, number);
    times.note(made.where.parent, made.parent_after, number);
  }
  void operator()(const Link& link) { times.note(link.where.parent, link.parent_after, number); }
  void operator()(const Unlink& unlink) {
    if (unlink.last_link) times.drop(unlink.object);
    times.note(unlink.where.parent, unlink.parent_after, number);
  }
  void operator()(const RemoveDirectory& removed) {
    times.drop(removed.object);
    times.note(removed.where.parent, removed.parent_after, number);
  }
  void operator()(const Rename& rename) {
    times.note(rename.from.parent, rename.from_parent_after, number);
    times.note(rename.to.parent, rename.to_parent_after, number);
    if (rename.object_after) times.note(rename.object, *rename.object_after, number);
    if (rename.exchanged_after) times.note(*rename.replaced, *rename.exchanged_after, number);
  }
  void operator()(const LearnDirectory&) {}
  void operator()(const Barrier&) {}
  void operator()(const Unknown&) {}  // what it marks is reconciled with its times
};

}  // namespace

void PendingTimes::note(const Operation& operation, SequenceNumber number) {
  std::visit(Noter{*this, number}, operation);
}

void PendingTimes::note(const ObjectId& object, const Metadata& after, SequenceNumber number) {
  const auto [place, added] = pending_.try_emplace(object, Pending{number, after});
  if (!added && place->second.number <= number) place->second = {number, after};
}

void PendingTimes::set_by(const ObjectId& object, SequenceNumber number) {
  const auto found = pending_.find(object);
  if (found != pending_.end() && found->second.number <= number) pending_.erase(found);
}

std::optional<Metadata> PendingTimes::take(const ObjectId& object) {
  const auto found = pending_.find(object);
  if (found == pending_.end()) return std::nullopt;
  const Metadata after = found->second.after;
  pending_.erase(found);
  return after;
}

}  // namespace mirrorfs::state
