#include "engine/live/recovery.h"

#include "engine/live/reconciler.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

ring::Task<void> Recovery::begin(journal::JournalContent content) {
  progress_ = {.running = true, .marks = content.marks.size(), .objects = 0, .bytes = 0};
  for (journal::JournalPlace& place : content.places) {
    places_[place.directory] = std::move(place.where);
  }
  for (const journal::JournalMark& mark : content.marks) {
    if (mark.names) names_.insert(mark.entry);
  }
  bool all_found = true;
  for (journal::JournalMark& mark : content.marks) {
    const bool found = co_await request(std::move(mark));
    all_found = all_found && found;
  }
  if (!all_found) reconciler_.request_everything();
  places_.clear();
  names_.clear();
}

/// False: nobody knows where that is.
ring::Task<bool> Recovery::request(journal::JournalMark mark) {
  const Standing parent = co_await trust(mark.entry.parent);
  if (parent != Standing::kTrusted) co_return parent == Standing::kCovered;
  if (mark.entry.name.empty()) {
    const Result<void> done = co_await reconciler_.reconcile_root();
    co_return done.has_value();
  }
  // Attributes of a directory: what is in it is not meant.
  if (!mark.names && places_.contains(mark.object)) {
    const Standing itself = co_await trust(mark.object);
    if (itself == Standing::kLost) co_return false;
  }
  reconciler_.request(mark.entry, state::kSinceEver);
  co_return true;
}

ring::Task<Recovery::Standing> Recovery::trust(ObjectId directory) {
  if (state_.directories.contains(directory)) co_return Standing::kTrusted;
  const auto place = places_.find(directory);
  if (place == places_.end()) co_return Standing::kLost;
  const Location where = place->second;
  if (!where.parent || names_.contains(where)) co_return Standing::kCovered;
  const Standing above = co_await trust(where.parent);
  if (above != Standing::kTrusted) co_return above;
  const Standing here = co_await trust_at(directory, where);
  co_return here;
}

ring::Task<Recovery::Standing> Recovery::trust_at(ObjectId directory, Location where) {
  const auto parent = co_await state_.directories.open_replica(where.parent);
  if (!parent) co_return Standing::kLost;
  const auto copy = co_await state_.ring.statx((*parent)->get(), where.name.c_str());
  const bool stands = copy && copy->is_directory() && !state_.directories.at(where);
  if (!stands) co_return Standing::kLost;
  state_.directories.trusted(directory, where, copy->id());
  co_return Standing::kTrusted;
}

RecoveryProgress Recovery::progress() const {
  RecoveryProgress now = progress_;
  if (!now.running) return now;
  now.objects = state_.totals.objects_looked_at;
  now.bytes = state_.totals.bytes_reconciled;
  return now;
}

void Recovery::note_clean() {
  if (!progress_.running) return;
  progress_ = progress();
  progress_.running = false;
  log_info(
      "what the killed session had marked is compared: {} marks, {} objects looked at, {} bytes "
      "copied",
      progress_.marks, progress_.objects, progress_.bytes);
}

}  // namespace mirrorfs::live
