#include "engine/state/marks.h"

#include <algorithm>

#include "mirrorfs/invariant.h"

namespace mirrorfs::state {

const Mark* Marks::find(const Location& entry) const {
  const auto directory = marks_.find(entry.parent);
  if (directory == marks_.end()) return nullptr;
  const auto found = directory->second.find(entry.name);
  return found == directory->second.end() ? nullptr : &found->second;
}

Mark* Marks::find_mutable(const Location& entry) {
  const auto directory = marks_.find(entry.parent);
  if (directory == marks_.end()) return nullptr;
  const auto found = directory->second.find(entry.name);
  return found == directory->second.end() ? nullptr : &found->second;
}

bool Marks::any_moving_in(const ObjectId& directory) const {
  const auto found = marks_.find(directory);
  return found != marks_.end() && std::ranges::any_of(found->second, [](const auto& entry) {
           const MarkState state = entry.second.state;
           return entry.second.cause.empty() || state == MarkState::kReading ||
                  state == MarkState::kReadingAgain;
         });
}

bool Marks::is_failing(const Location& entry) const {
  const Mark* mark = find(entry);
  return mark != nullptr && !mark->cause.empty();
}

void Marks::set_state(Mark& mark, MarkState state) {
  if (mark.state == MarkState::kWaiting) --waiting_;
  if (state == MarkState::kWaiting) ++waiting_;
  mark.state = state;
}

void Marks::set_cause(Mark& mark, std::string cause) {
  if (!mark.cause.empty()) --failing_;
  if (!cause.empty()) ++failing_;
  mark.cause = std::move(cause);
}

void Marks::leave(const Mark& mark) {
  --size_;
  if (mark.state == MarkState::kWaiting) --waiting_;
  if (!mark.cause.empty()) --failing_;
  const auto age = noted_.find(mark.noted);
  if (--age->second == 0) noted_.erase(age);
  remove(since_, mark.since);
  if (mark.kept == nullptr) remove(not_kept_, mark.since);
}

void Marks::remove(Numbers& numbers, SequenceNumber since) {
  const auto count = numbers.find(since);
  if (--count->second == 0) numbers.erase(count);
}

void Marks::keep(const Location& entry, std::shared_ptr<void> kept) {
  Mark* const mark = find_mutable(entry);
  if (mark == nullptr || mark->kept != nullptr || kept == nullptr) return;
  mark->kept = std::move(kept);
  remove(not_kept_, mark->since);
}

bool Marks::request(const Location& entry, SequenceNumber since, Origin origin) {
  const auto [place, added] = marks_[entry.parent].try_emplace(entry.name);
  Mark& mark = place->second;
  mark.last_request = ++requests_;
  if (added) {
    mark.noted = std::chrono::floor<std::chrono::milliseconds>(Clock::now());
    mark.noted -= mark.noted.time_since_epoch() % kAgeStep;
    ++noted_[mark.noted];
    mark.since = since;
    mark.origin = origin;
    ++since_[since];
    ++not_kept_[since];
    ++size_;
    return true;
  }
  mark.origin = Origin::kOperation;
  if (since < mark.since) lower(mark, since);
  switch (mark.state) {
    case MarkState::kQueued:
    case MarkState::kReadingAgain: return false;
    case MarkState::kReading: set_state(mark, MarkState::kReadingAgain); return false;
    case MarkState::kWaiting: set_state(mark, MarkState::kQueued); return true;
  }
  std::unreachable();
}

void Marks::lower(Mark& mark, SequenceNumber since) {
  remove(since_, mark.since);
  ++since_[since];
  if (mark.kept == nullptr) {
    remove(not_kept_, mark.since);
    ++not_kept_[since];
  }
  mark.since = since;
}

MarkReading Marks::begin_reading(const Location& entry) {
  Mark* mark = find_mutable(entry);
  if (mark == nullptr || mark->state != MarkState::kQueued) return {};
  set_state(*mark, MarkState::kReading);
  mark->reading = ++readings_;
  return {mark->reading};
}

void Marks::abandon_reading(const Location& entry, MarkReading reading) {
  Mark* mark = find_mutable(entry);
  if (mark == nullptr || mark->reading != reading.number) return;
  set_state(*mark, MarkState::kQueued);
  mark->reading = 0;
}

bool Marks::done(const Location& entry, MarkReading reading) {
  Mark* mark = find_mutable(entry);
  if (mark == nullptr || mark->reading != reading.number) return false;
  if (mark->state == MarkState::kReadingAgain) {
    set_state(*mark, MarkState::kQueued);
    set_cause(*mark, {});
    mark->attempts = 0;
    return true;
  }
  invariant(mark->state == MarkState::kReading, "a mark ends by the reconcile that read its entry");
  clear(entry);
  return false;
}

bool Marks::postponed(const Location& entry, MarkReading reading, Clock::time_point due) {
  Mark* mark = find_mutable(entry);
  if (mark == nullptr || mark->reading != reading.number) return false;
  const bool again = mark->state == MarkState::kReadingAgain;
  set_state(*mark, again ? MarkState::kQueued : MarkState::kWaiting);
  set_cause(*mark, {});
  mark->attempts = 0;
  mark->due = due;
  return again;
}

bool Marks::failed(const Location& entry, MarkReading reading, std::string cause,
                   Clock::time_point due) {
  Mark* mark = find_mutable(entry);
  if (mark == nullptr) return false;
  const bool unread = mark->state == MarkState::kQueued && !reading;
  if (!unread && (!reading || mark->reading != reading.number)) return false;
  const bool again = mark->state == MarkState::kReadingAgain;
  set_state(*mark, again ? MarkState::kQueued : MarkState::kWaiting);
  if (!cause.empty()) set_cause(*mark, std::move(cause));
  ++mark->attempts;
  mark->due = due;
  return again;
}

void Marks::clear(const Location& entry) {
  const auto directory = marks_.find(entry.parent);
  if (directory == marks_.end()) return;
  const auto found = directory->second.find(entry.name);
  if (found == directory->second.end()) return;
  leave(found->second);
  directory->second.erase(found);
  if (directory->second.empty()) marks_.erase(directory);
}

void Marks::forget_directory(const ObjectId& directory) {
  const auto found = marks_.find(directory);
  if (found == marks_.end()) return;
  for (const auto& [name, mark] : found->second) leave(mark);
  marks_.erase(found);
}

void Marks::walked(const ObjectId& directory, std::uint64_t before) {
  const auto found = marks_.find(directory);
  if (found == marks_.end()) return;
  std::erase_if(found->second, [&](const auto& entry) {
    const bool covered = entry.second.last_request <= before;
    if (covered) leave(entry.second);
    return covered;
  });
  if (found->second.empty()) marks_.erase(found);
}

std::vector<Location> Marks::due(Clock::time_point now) const {
  std::vector<Location> result;
  if (waiting_ == 0) return result;
  for (const auto& [directory, entries] : marks_) {
    for (const auto& [name, mark] : entries) {
      if (mark.state == MarkState::kWaiting && mark.due <= now) result.push_back({directory, name});
    }
  }
  return result;
}

std::vector<Location> Marks::waiting() const { return due(Clock::time_point::max()); }

bool Marks::decided_through(SequenceNumber number) const {
  if (clean_through(number)) return true;
  for (const auto& [directory, entries] : marks_) {
    for (const auto& [name, mark] : entries) {
      if (mark.cause.empty() && mark.origin == Origin::kOperation && mark.since <= number) {
        return false;
      }
    }
  }
  return true;
}

std::vector<std::pair<Location, std::string>> Marks::failures(std::size_t most) const {
  std::vector<std::pair<Location, std::string>> result;
  if (failing_ == 0) return result;
  for (const auto& [directory, entries] : marks_) {
    for (const auto& [name, mark] : entries) {
      if (mark.cause.empty()) continue;
      if (result.size() == most) return result;
      result.emplace_back(Location{directory, name}, mark.cause);
    }
  }
  return result;
}

}  // namespace mirrorfs::state
