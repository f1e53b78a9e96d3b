#include "engine/state/settling.h"

namespace mirrorfs::state {
namespace {

struct Noter {
  Settling& settling;
  SequenceNumber number;

  void operator()(const Write& write) { settling.note(write.object, write.after, number); }
  void operator()(const Truncate& cut) { settling.note(cut.object, cut.after, number); }
  void operator()(const Allocate& allocate) {
    settling.note(allocate.object, allocate.after, number);
  }
  void operator()(const SetAttributes& change) { settling.drop(change.object); }  // set with it
  void operator()(const SetXattr&) {}  // moves ctime only
  void operator()(const RemoveXattr&) {}

  template <class Made>
    requires requires(const Made& made) {
      made.after;
      made.parent_after;
    }
  void operator()(const Made& made) {
    settling.note(made.object, made.after, number);
    settling.note(made.where.parent, made.parent_after, number);
  }
  void operator()(const Link& link) { settling.note(link.where.parent, link.parent_after, number); }
  void operator()(const Unlink& unlink) {
    if (unlink.last_link) settling.drop(unlink.object);
    settling.note(unlink.where.parent, unlink.parent_after, number);
  }
  void operator()(const RemoveDirectory& removed) {
    settling.drop(removed.object);
    settling.note(removed.where.parent, removed.parent_after, number);
  }
  void operator()(const Rename& rename) {
    settling.note(rename.from.parent, rename.from_parent_after, number);
    settling.note(rename.to.parent, rename.to_parent_after, number);
    if (rename.object_after) settling.note(rename.object, *rename.object_after, number);
    if (rename.exchanged_after) settling.note(*rename.replaced, *rename.exchanged_after, number);
  }
  void operator()(const LearnDirectory&) {}
  void operator()(const Barrier&) {}
  void operator()(const Unknown&) {}  // what it marks is reconciled with its times
};

}  // namespace

void Settling::note(const Operation& operation, SequenceNumber number) {
  std::visit(Noter{*this, number}, operation);
}

void Settling::note(const ObjectId& object, const Metadata& after, SequenceNumber number) {
  const auto [place, added] = pending_.try_emplace(object, Pending{number, after});
  if (!added && place->second.number <= number) place->second = {number, after};
}

std::optional<Metadata> Settling::take(const ObjectId& object) {
  const auto found = pending_.find(object);
  if (found == pending_.end()) return std::nullopt;
  const Metadata after = found->second.after;
  pending_.erase(found);
  return after;
}

}  // namespace mirrorfs::state
