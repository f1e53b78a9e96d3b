#include "engine/state/refusals.h"

#include <algorithm>

namespace mirrorfs::state {

bool Refusals::note(const Location& entry, const ObjectId& object, const Error& error,
                    std::shared_ptr<void> held, Clock::time_point now) {
  const auto [kind, first] = kinds_.try_emplace(error.message());
  if (first) {
    kind->second.error = error;
    kind->second.due = now + kFirstRetry;
  }
  if (kind->second.tried == entry) kind->second.tried.reset();
  const auto before = take_out(entry);
  put(entry, {kind, object, std::move(held)});
  if (before && before->kind->second.entries.empty()) kinds_.erase(before->kind);
  return first;
}

void Refusals::put(const Location& entry, Noted noted) {
  noted.kind->second.entries.emplace(entry, noted.object);
  noted_[entry.parent].emplace(entry.name, std::move(noted));
  ++size_;
}

std::optional<Refusals::Noted> Refusals::take_out(const Location& entry) {
  const auto directory = noted_.find(entry.parent);
  if (directory == noted_.end()) return std::nullopt;
  const auto found = directory->second.find(entry.name);
  if (found == directory->second.end()) return std::nullopt;
  Noted noted = std::move(found->second);
  noted.kind->second.entries.erase(entry);
  directory->second.erase(found);
  if (directory->second.empty()) noted_.erase(directory);
  --size_;
  return noted;
}

void Refusals::erase(const Location& entry) {
  const auto noted = take_out(entry);
  if (noted && noted->kind->second.entries.empty()) kinds_.erase(noted->kind);
}

std::vector<Refusals::Refused> Refusals::taken(const Location& entry) {
  std::vector<Refused> others;
  const auto noted = take_out(entry);
  if (!noted) return others;
  Kind& kind = noted->kind->second;
  if (kind.tried == entry) {
    kind.tried.reset();
    for (const auto& [name, object] : kind.entries) others.push_back({name, object});
  }
  if (kind.entries.empty()) kinds_.erase(noted->kind);
  return others;
}

bool Refusals::any_of(const std::function<bool(const Location&, const ObjectId&)>& holds) const {
  return std::ranges::any_of(kinds_, [&](const auto& kind) {
    return std::ranges::any_of(kind.second.entries, [&](const auto& refused) {
      return holds(refused.first, refused.second);
    });
  });
}

void Refusals::renamed(const Location& from, const Location& to) {
  erase(to);
  if (auto noted = take_out(from)) put(to, std::move(*noted));
}

void Refusals::exchanged(const Location& one, const Location& other) {
  auto first = take_out(one);
  auto second = take_out(other);
  if (first) put(other, std::move(*first));
  if (second) put(one, std::move(*second));
}

void Refusals::forget_directory(const ObjectId& directory) {
  for (const std::string& name : names_in(directory)) erase({directory, name});
}

std::vector<std::string> Refusals::names_in(const ObjectId& directory) const {
  std::vector<std::string> names;
  const auto found = noted_.find(directory);
  if (found == noted_.end()) return names;
  for (const auto& [name, noted] : found->second) names.push_back(name);
  return names;
}

const ObjectId* Refusals::find(const Location& entry) const {
  const auto directory = noted_.find(entry.parent);
  if (directory == noted_.end()) return nullptr;
  const auto found = directory->second.find(entry.name);
  return found == directory->second.end() ? nullptr : &found->second.object;
}

Refusals::Refused Refusals::try_one(Kind& kind) {
  const auto& [entry, object] = *kind.entries.begin();
  kind.tried = entry;
  return {entry, object};
}

std::vector<Refusals::Refused> Refusals::due(Clock::time_point now) {
  std::vector<Refused> result;
  for (auto& [what, kind] : kinds_) {
    if (kind.due > now) continue;
    const auto pause = kFirstRetry * (1U << std::min(kind.attempts++, 10U));
    kind.due = now + std::min<Clock::duration>(pause, kLongestRetry);
    result.push_back(try_one(kind));
  }
  return result;
}

std::vector<Refusals::Refused> Refusals::one_of_each() {
  std::vector<Refused> result;
  for (auto& [what, kind] : kinds_) result.push_back(try_one(kind));
  return result;
}

std::vector<std::pair<Location, std::string>> Refusals::named(std::size_t most) const {
  std::vector<std::pair<Location, std::string>> result;
  for (const auto& [what, kind] : kinds_) {
    for (const auto& [entry, object] : kind.entries) {
      if (result.size() == most) return result;
      result.emplace_back(entry, what);
    }
  }
  return result;
}

}  // namespace mirrorfs::state
