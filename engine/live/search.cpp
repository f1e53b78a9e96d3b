// Directories that were moved or removed behind the mount's back, and how they are found.
#include "engine/live/reconciler.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

/// An open descriptor alone does not tell that the table knows the place.
ring::Task<Result<state::DirHandle>> Reconciler::open_reachable_source(ObjectId directory) {
  if (!state_.directories.is_reachable(directory)) {
    co_return fail(ESTALE, "directory has no known place");
  }
  auto source = co_await state_.directories.open_source(directory);
  co_return source;
}

/// Sooner or later something tells its place, or that it is gone.
void Reconciler::miss(const ObjectId& directory) {
  lost_.missed(directory, state_.directories.where(directory), state_.intake.last_recorded(),
               LostDirectories::Clock::now());
  need_retries();
}

/// The source does not show the directory where the table has it. kAgain as long as an operation
/// still to be applied may tell its new place; else it waits for the search.
Reconciler::Attempt Reconciler::not_in_its_place(const ObjectId& directory) {
  miss(directory);
  const bool overdue =
      lost_.is_overdue(directory, state_.finished.closed_through(), LostDirectories::Clock::now());
  return overdue ? Attempt::kDone : Attempt::kAgain;
}

/// While it was lost its walk may have been given up, see not_in_its_place().
void Reconciler::found(const ObjectId& directory) {
  const bool was_lost = lost_.found(directory);
  const bool unwalked = state_.directories.state(directory) == state::DirectoryState::kUnwalked;
  if (was_lost && unwalked) queue_directory(directory);
}

/// The source has none in this place, where the table may have one.
void Reconciler::no_directory_at(const Location& place) {
  const auto directory = state_.directories.at(place);
  if (!directory) return;
  state_.directories.forget_source(*directory);
  miss(*directory);
}

/// Walks the whole tree when a directory is overdue; what such a walk did not meet is gone.
void Reconciler::look_for_lost() {
  if (walking_everything_) return;
  const SequenceNumber finished = state_.finished.closed_through();
  const auto now = LostDirectories::Clock::now();
  if (!lost_.none()) {
    const auto where = [this](const ObjectId& id) { return state_.directories.where(id); };
    for (const ObjectId& directory : lost_.moved(where)) found(directory);
    if (lost_.none()) state_.progressed();  // a stop waits for it
  }
  if (searching_) {
    const bool patient = now - searched_at_ < LostDirectories::kPatience;
    if (searched_through_ <= finished && !patient) forget_unmet();
  } else if (lost_.any_overdue(finished, now)) {
    log_warn("directories were moved or removed behind the mount's back: walking the whole tree");
    walk_everything();
  }
}

ring::Task<void> Reconciler::search_owed() {
  while (!stopped_) {
    co_await state_.progress.wait();
    if (stopped_ || !must_search_owed()) continue;
    state_.owed.walked(searched_owed_);
    if (state_.owed.size() > 0) {
      searched_owed_ = state_.intake.last_recorded();
      request_everything();
    } else {
      state_.progressed();
    }
  }
}

void Reconciler::walk_everything() {
  progress_ = {.running = true};
  walking_everything_ = true;
  searching_ = false;
  lost_.clear();
  state_.links.clear();
  state_.owed.walk_begins();
  if (state_.journal != nullptr) state_.journal->mark_everything(state_.intake.last_recorded());
  state_.directories.mark_all_unwalked();
  queue_directory(state_.directories.root());
}

/// An operation still to be applied may place what the walk did not meet.
void Reconciler::walked_everything() {
  walking_everything_ = false;
  if (state_.directories.not_met().empty()) return;
  searching_ = true;
  searched_through_ = state_.intake.last_recorded();
  searched_at_ = LostDirectories::Clock::now();
  need_retries();
}

void Reconciler::forget_unmet() {
  if (entries_are_queued() || !directory_queue_.empty() || !at_rest()) return;
  searching_ = false;
  for (const ObjectId& directory : state_.directories.not_met()) directory_is_gone(directory);
  state_.progressed();
}

}  // namespace mirrorfs::live
