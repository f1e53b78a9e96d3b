// What is marked where operations are not applied, or may not have come to what a reading has put
// there.
#include "engine/live/dispatcher.h"
#include "engine/live/reconciler.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

/// Elsewhere a walk that is still to come, or a mark above, stands for it.
void Dispatcher::mark_name(const Location& name, SequenceNumber since) {
  if (state_.directories.takes_marks(name.parent)) reconciler_.request(name, since);
}

/// What a reading may have is applied again, in order, which ends as the source does if all that
/// follows is applied again there, too. What goes through another name may come to another object
/// of the replica: one that the source made one with this only later, or has parted from it since.
void Dispatcher::mark_as_read(const stream::Recorded& recorded, const ObjectId& object) {
  const auto name = state_.readings.read_under(object, recorded);
  if (name) mark_name(*name, recorded.number);
}

/// What a marked name lacks goes with the object that is moved.
SequenceNumber Dispatcher::first_lacking(const stream::Recorded& recorded) const {
  SequenceNumber since = recorded.number;
  const auto* const rename = std::get_if<Rename>(&recorded.operation);
  if (rename == nullptr) return since;
  for (const Location* const name : {&rename->from, &rename->to}) {
    const state::Mark* const mark = state_.marks.find(*name);
    if (mark != nullptr) since = std::min(since, mark->since);
  }
  return since;
}

void Dispatcher::mark_touched(const stream::Recorded& recorded, const Error* error) {
  auto entries = stream::touched_entries(recorded.operation);
  // Both names of a link: which of them the replica has right is not known any more.
  if (const auto* link = std::get_if<Link>(&recorded.operation);
      link != nullptr && link->existing) {
    entries.push_back(*link->existing);
  }
  if (error != nullptr) {
    mark_all_names(recorded);
    const std::string path =
        entries.empty() ? "an object without a name" : state_.directories.path_of(entries.front());
    log_debug("not applied, will be reconciled: {} of {}: {}",
              stream::kind_name(recorded.operation), path, error->message());
  }
  const SequenceNumber since = first_lacking(recorded);
  for (const Location& entry : entries) {
    mark_name(entry, since);
    if (error != nullptr) reconciler_.suspect(entry, *error);
  }
  if (!entries.empty() || error == nullptr) return;
  const auto object = stream::changed_object(recorded.operation);
  if (object == state_.directories.root()) return mark_object(*object, recorded.number);
  reconciler_.request_everything();
}

/// What went wrong half way may concern what the objects have in common under all their names, such
/// as times that were to be set before a name goes.
void Dispatcher::mark_all_names(const stream::Recorded& recorded) {
  for (const auto& [object, where] : stream::objects_after(recorded.operation)) {
    mark_object(object, recorded.number);
    if (where) mark_name(*where, recorded.number);
  }
}

/// All names of it that are known. The root has none: its walk compares its attributes.
void Dispatcher::mark_object(const ObjectId& object, SequenceNumber since) {
  if (object == state_.directories.root()) return reconciler_.request_listing(object);
  for (const Location& name : state_.links.all(object)) mark_name(name, since);
}

/// A change that nobody can describe: all that it may have touched.
void Dispatcher::mark_unknown(const stream::Recorded& recorded) {
  if (recorded.covers_everything()) return reconciler_.request_everything();
  for (const Location& entry : recorded.footprint->entries()) mark_name(entry, recorded.number);
  for (const ObjectId& object : recorded.footprint->objects()) {
    mark_object(object, recorded.number);
    mark_as_read(recorded, object);
    if (!state_.directories.contains(object)) state_.owed.add(object, recorded.number);
  }
}

/// What is left of operations that found the queue full. Of what is not known a walk or a mark
/// above is still to come.
void Dispatcher::mark_overflow(const stream::Recorded& recorded) {
  state_.catching_up = true;
  overflowed_ = recorded.number;
  const SequenceNumber since{recorded.number.value - recorded.count + 1};
  if (recorded.covers_everything()) return reconciler_.request_everything();
  for (const auto& [directory, entries] : recorded.overflow->directories()) {
    if (!state_.directories.takes_marks(directory)) continue;
    if (entries.whole) reconciler_.request_listing(directory);
    for (const std::string& name : entries.names) reconciler_.request({directory, name}, since);
  }
  for (const ObjectId& object : recorded.overflow->loose_objects()) {
    mark_object(object, since);
    if (!state_.directories.contains(object)) state_.owed.add(object, recorded.number);
  }
  for (const Location& name : state_.readings.changed_again()) mark_name(name, since);
  for (const ObjectId& directory : recorded.overflow->removed_directories()) {
    reconciler_.directory_is_gone(directory);
  }
}

/// The mark on the name that the operation went through may be resolved by another object that
/// takes that name; the one that was changed lives on under its other names.
void Dispatcher::mark_other_names(const stream::Recorded& recorded) {
  // A name made in a directory that is still to be walked: the walk has to know where to link it
  // to.
  if (const auto* link = std::get_if<Link>(&recorded.operation); link && link->existing) {
    mark_name(*link->existing, recorded.number);
  }
  const auto object = stream::changed_linked_object(recorded.operation);
  if (!object) return;
  mark_object(*object, recorded.number);
  state_.owed.add(*object, recorded.number);
}

/// Of an operation on what is excluded.
void Dispatcher::note_parent_times(const stream::Recorded& recorded) {
  const auto newer = [&](const ObjectId& object) {
    return state_.readings.read_after(object, recorded);
  };
  state_.times.note_parents(recorded.operation, recorded.number, state::PendingTimes::Clock::now(),
                            newer);
  for (const ObjectId& directory : stream::directories_held_by(recorded.operation)) {
    if (!state_.directories.contains(directory)) state_.times.drop(directory);
  }
}

/// Their old names are marked: what the replica has there goes.
void Dispatcher::follow_excluded(const stream::Recorded& recorded) {
  for (const ObjectId& directory : moved_outside(state_, recorded.operation)) {
    reconciler_.tree_is_gone(directory);
  }
}

void Dispatcher::follow_readings(const stream::Recorded& recorded, Verdict verdict) {
  const auto object = stream::changed_object(recorded.operation);
  if (!object) return;
  const auto name = state_.readings.read_under(*object, recorded);
  if (!name) return;
  if (stream::touched_entries(recorded.operation) != std::vector{*name}) {
    mark_as_read(recorded, *object);
  } else if (verdict == Verdict::kApply) {
    state_.readings.applied_again(*object);
  }
}

}  // namespace mirrorfs::live
