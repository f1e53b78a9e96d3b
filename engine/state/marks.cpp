#include "engine/state/marks.h"

namespace mirrorfs::state {

void Marks::begin_baseline(SequenceNumber since) {
  baseline_running_ = true;
  baseline_since_ = since;
  known_.clear();
  unknown_.clear();
}

void Marks::end_baseline() {
  baseline_running_ = false;
  known_ = {};
}

bool Marks::is_known(const ObjectId& directory) const {
  return baseline_running_ ? known_.contains(directory) : !unknown_.contains(directory);
}

void Marks::set_known(const ObjectId& directory) {
  unknown_.erase(directory);
  if (baseline_running_) known_.insert(directory);
}

void Marks::set_unknown(const ObjectId& directory, SequenceNumber since) {
  known_.erase(directory);
  const auto place = unknown_.try_emplace(directory, Unknown{since, 0}).first;
  place->second.generation = ++generations_;
}

std::uint64_t Marks::unknown_generation(const ObjectId& directory) const {
  const auto found = unknown_.find(directory);
  return found == unknown_.end() ? 0 : found->second.generation;
}

bool Marks::mark(const Location& entry, SequenceNumber since) {
  const auto [place, added] = marks_[entry.parent].try_emplace(entry.name);
  if (added) {
    place->second.since = since;
    ++entries_;
  }
  return added;
}

Mark* Marks::find(const Location& entry) {
  const auto directory = marks_.find(entry.parent);
  if (directory == marks_.end()) return nullptr;
  const auto found = directory->second.find(entry.name);
  return found == directory->second.end() ? nullptr : &found->second;
}

bool Marks::is_marked(const Location& entry) const {
  const auto directory = marks_.find(entry.parent);
  return directory != marks_.end() && directory->second.contains(entry.name);
}

bool Marks::is_failing(const Location& entry) const {
  const auto directory = marks_.find(entry.parent);
  if (directory == marks_.end()) return false;
  const auto found = directory->second.find(entry.name);
  return found != directory->second.end() && !found->second.cause.empty();
}

void Marks::clear(const Location& entry) {
  const auto directory = marks_.find(entry.parent);
  if (directory == marks_.end()) return;
  entries_ -= directory->second.erase(entry.name);
  if (directory->second.empty()) marks_.erase(directory);
}

void Marks::forget_directory(const ObjectId& directory) {
  const auto found = marks_.find(directory);
  if (found == marks_.end()) return;
  entries_ -= found->second.size();
  marks_.erase(found);
}

std::vector<Location> Marks::due(Clock::time_point now) const {
  std::vector<Location> result;
  for (const auto& [directory, entries] : marks_) {
    for (const auto& [name, mark] : entries) {
      if (mark.attempts > 0 && mark.due <= now) result.push_back({directory, name});
    }
  }
  return result;
}

std::vector<Location> Marks::all() const {
  std::vector<Location> result;
  for (const auto& [directory, entries] : marks_) {
    for (const auto& [name, mark] : entries) result.push_back({directory, name});
  }
  return result;
}

std::size_t Marks::failing() const {
  std::size_t count = 0;
  for (const auto& [directory, entries] : marks_) {
    for (const auto& [name, mark] : entries) count += mark.cause.empty() ? 0 : 1;
  }
  return count;
}

bool Marks::clean_through(SequenceNumber number) const {
  if (baseline_running_) return false;
  for (const auto& [directory, unknown] : unknown_) {
    if (unknown.since <= number) return false;
  }
  for (const auto& [directory, entries] : marks_) {
    for (const auto& [name, mark] : entries) {
      if (mark.since <= number) return false;
    }
  }
  return true;
}

bool Marks::decided_through(SequenceNumber number) const {
  for (const auto& [directory, entries] : marks_) {
    for (const auto& [name, mark] : entries) {
      if (mark.cause.empty() && !mark.from_walk && mark.since <= number) return false;
    }
  }
  return true;
}

std::vector<std::pair<Location, std::string>> Marks::failures(std::size_t most) const {
  std::vector<std::pair<Location, std::string>> result;
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
