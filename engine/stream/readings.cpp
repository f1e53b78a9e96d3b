#include "engine/stream/readings.h"

namespace mirrorfs::stream {

Relation Readings::Reading::relation(const Recorded& operation) const {
  if (operation.number <= before) return Relation::kBefore;
  return operation.begun < ended ? Relation::kAcross : Relation::kAfter;
}

std::optional<Readings::Reading> Readings::end(const Look& from, const ObjectId& object,
                                               SequenceNumber finished) {
  const Look to = intake_.look();
  if (!to.under_way && to.recorded <= finished) return std::nullopt;
  last_ = Reading{.before = from.recorded,
                  .ended = to.number,
                  .recorded = to.recorded,
                  .object = object,
                  .under_way = to.under_way,
                  .read = {},
                  .last_shown = to.recorded};
  return last_;
}

void Readings::note_entry(const Location& entry, const Look& from, const ObjectId& object,
                          SequenceNumber finished) {
  if (const auto reading = end(from, object, finished)) entries_[entry] = *reading;
}

void Readings::note_directory(const ObjectId& directory, const Look& from,
                              SequenceNumber finished) {
  if (const auto reading = end(from, {}, finished)) directories_[directory] = *reading;
}

void Readings::note_object(const ObjectId& object, const std::optional<Location>& under,
                           const Look& from, SequenceNumber finished, const Metadata& read) {
  auto reading = end(from, object, finished);
  if (!reading) return;
  reading->read = read;
  reading->under = under;
  objects_[object] = *reading;
}

const Metadata* Readings::read_after(const ObjectId& object, const Recorded& operation) const {
  const auto found = objects_.find(object);
  if (found == objects_.end()) return nullptr;
  return found->second.relation(operation) == Relation::kBefore ? &found->second.read : nullptr;
}

Relation Readings::relation(const ObjectId& object, const Recorded& operation) const {
  const auto found = objects_.find(object);
  return found == objects_.end() ? Relation::kAfter : found->second.relation(operation);
}

std::optional<Location> Readings::read_under(const ObjectId& object,
                                             const Recorded& operation) const {
  const auto found = objects_.find(object);
  if (found == objects_.end()) return std::nullopt;
  return found->second.relation(operation) == Relation::kAfter ? std::nullopt : found->second.under;
}

void Readings::applied_again(const ObjectId& object) {
  const auto found = objects_.find(object);
  if (found != objects_.end()) found->second.applied_again = true;
}

std::vector<Location> Readings::changed_again() const {
  std::vector<Location> names;
  for (const auto& [object, reading] : objects_) {
    if (reading.applied_again && reading.under) names.push_back(*reading.under);
  }
  return names;
}

/// The last reading counts: it has all that an earlier one had, and more.
Relation Readings::relation(const Location& entry, const Recorded& operation) const {
  const Reading* last = nullptr;
  if (const auto found = entries_.find(entry); found != entries_.end()) last = &found->second;
  if (const auto found = directories_.find(entry.parent); found != directories_.end()) {
    if (last == nullptr || last->ended < found->second.ended) last = &found->second;
  }
  return last == nullptr ? Relation::kAfter : last->relation(operation);
}

/// By numbers: when another object takes the name, all that was done to this one through it has
/// been recorded, for that takes the locks of both.
bool Readings::showed_another(const Location& entry, const ObjectId& object,
                              const Recorded& operation) const {
  const auto found = entries_.find(entry);
  return found != entries_.end() && operation.number <= found->second.recorded &&
         found->second.object != object;
}

bool Readings::has_passed(Reading& reading, SequenceNumber finished) {
  if (reading.under_way && intake_.all_recorded(reading.ended)) {
    reading.under_way = false;
    reading.last_shown = intake_.last_recorded();
  }
  return !reading.under_way && reading.last_shown <= finished;
}

template <class Map>
void Readings::drop_passed(Map& readings, SequenceNumber finished) {
  for (auto at = readings.begin(); at != readings.end();) {
    at = has_passed(at->second, finished) ? readings.erase(at) : std::next(at);
  }
}

bool Readings::ahead(SequenceNumber finished) {
  if (last_ && has_passed(*last_, finished)) last_.reset();
  return last_.has_value();
}

void Readings::prune(SequenceNumber finished) {
  drop_passed(entries_, finished);
  drop_passed(directories_, finished);
  drop_passed(objects_, finished);
}

}  // namespace mirrorfs::stream
