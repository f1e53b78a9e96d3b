#include "engine/live/recovery.h"

#include <algorithm>

#include "engine/live/reconciler.h"
#include "engine/objects/dir_fd.h"
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
  for (const journal::JournalMark& mark : content.marks) {
    const bool found = co_await find(mark);
    all_found = all_found && found;
  }
  reconciler_.distrust_content_of(std::move(content.marks));
  // A reconcile that walks a directory puts those in it into the table before they are walked: from
  // there they must not be trusted.
  if (root_is_marked_) {
    const Result<void> done = co_await reconciler_.reconcile_root();
    all_found = all_found && done.has_value();
  }
  for (const Location& entry : found_) reconciler_.request_again(entry);
  if (!all_found) reconciler_.request_everything();
  places_.clear();
  names_.clear();
  found_.clear();
}

/// What is to be reconciled for the mark; false: nobody knows where that is.
ring::Task<bool> Recovery::find(journal::JournalMark mark) {
  if (is_excluded(mark.entry)) {
    const bool elsewhere = co_await may_have_other_names(mark);
    if (elsewhere) co_return false;
  }
  const Standing parent = co_await trust(mark.entry.parent);
  if (parent == Standing::kExcluded) co_return true;
  if (parent != Standing::kTrusted) co_return parent == Standing::kCovered;
  if (mark.entry.name.empty()) {
    root_is_marked_ = true;
    co_return true;
  }
  // Attributes of a directory: what is in it is not meant.
  if (!mark.names && places_.contains(mark.object)) {
    const Standing itself = co_await trust(mark.object);
    if (itself == Standing::kLost) co_return false;
  }
  found_.push_back(std::move(mark.entry));
  co_return true;
}

/// The names on the way from the root, by the journal's places; nothing: they do not lead there.
std::optional<std::vector<std::string>> Recovery::names_to(const ObjectId& directory) const {
  std::vector<std::string> names;
  ObjectId at = directory;
  for (std::size_t steps = 0; at != state_.directories.root(); ++steps) {
    const auto place = places_.find(at);
    const bool leads_on = place != places_.end() && place->second.parent && steps <= places_.size();
    if (!leads_on) return std::nullopt;
    names.push_back(place->second.name);
    at = place->second.parent;
  }
  std::ranges::reverse(names);
  return names;
}

/// Or may be.
bool Recovery::is_excluded(const Location& entry) const {
  if (state_.exclusion.empty() || entry.name.empty()) return false;
  const auto names = names_to(entry.parent);
  if (!names) return true;
  std::string path;
  for (const std::string& name : *names) path = exclude::joined(path, name);
  path = exclude::joined(path, entry.name);
  const exclude::Patterns& patterns = state_.exclusion.patterns();
  return patterns.excludes(path, false) || patterns.excludes(path, true);
}

/// What was done to an object through a name that is excluded is told by no mark on its others. The
/// mark of a directory covers what was done in it.
ring::Task<bool> Recovery::may_have_other_names(journal::JournalMark mark) {
  const auto now = co_await look_at_source(mark.entry);
  if (!now) co_return true;  // it may have lost this one
  const bool another = mark.object && mark.object != now->id();
  co_return another || (now->is_directory() ? mark.names : now->nlink > 1);
}

ring::Task<Result<Metadata>> Recovery::look_at_source(Location entry) {
  const auto names = names_to(entry.parent);
  if (!names) co_return fail(ENOENT, "directory is not known");
  auto directory = co_await state_.directories.open_source(state_.directories.root());
  if (!directory) co_return std::unexpected(directory.error());
  for (const std::string& name : *names) {
    Result<objects::DirFd> next =
        co_await objects::open_dir_at(state_.ring, (*directory)->get(), name.c_str());
    if (!next) co_return pass_on(std::move(next));
    *directory = std::make_shared<const objects::DirFd>(std::move(*next));
  }
  co_return co_await state_.ring.statx((*directory)->get(), entry.name.c_str());
}

ring::Task<Recovery::Standing> Recovery::trust(ObjectId directory) {
  if (state_.directories.contains(directory)) co_return Standing::kTrusted;
  const auto place = places_.find(directory);
  if (place == places_.end()) co_return Standing::kLost;
  const Location where = place->second;
  if (!where.parent || names_.contains(where)) co_return Standing::kCovered;
  const Standing above = co_await trust(where.parent);
  if (above != Standing::kTrusted) co_return above;
  if (state_.directories.excludes(where, true)) co_return Standing::kExcluded;
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
  reconciler_.distrust_content_of({});
  log_info(
      "what the killed session had marked is compared: {} marks, {} objects looked at, {} bytes "
      "copied",
      progress_.marks, progress_.objects, progress_.bytes);
}

}  // namespace mirrorfs::live
