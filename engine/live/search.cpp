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

/// The source does not show the directory where the table has it. kAgain as long as an operation
/// still to be applied may tell its new place; else it waits for the search.
Reconciler::Attempt Reconciler::not_in_its_place(const ObjectId& directory) {
  const auto now = LostDirectories::Clock::now();
  lost_.missed(directory, state_.directories.where(directory), state_.intake.last_recorded(), now);
  const bool overdue = lost_.is_overdue(directory, state_.watermark.closed_through(), now);
  return overdue ? Attempt::kDone : Attempt::kAgain;
}

/// The source has none in this place, where the table may have one.
void Reconciler::no_directory_at(const Location& place) {
  const auto directory = state_.directories.at(place);
  if (!directory) return;
  state_.directories.forget_source(*directory);
  lost_.missed(*directory, place, state_.intake.last_recorded(), LostDirectories::Clock::now());
}

/// Walks the whole tree when a directory is overdue; what such a walk did not meet is gone.
void Reconciler::look_for_lost() {
  if (state_.marks.baseline_running()) return;
  const SequenceNumber applied = state_.watermark.closed_through();
  const auto now = LostDirectories::Clock::now();
  lost_.forget_moved([this](const ObjectId& id) { return state_.directories.where(id); });
  if (!unmet_.empty()) {
    if (unmet_through_ <= applied && now - unmet_at_ >= LostDirectories::kPatience) forget_unmet();
  } else if (lost_.any_overdue(applied, now)) {
    log_warn("directories were moved or removed behind the mount's back: walking the whole tree");
    walk_everything(state_.intake.last_recorded());
  }
}

void Reconciler::walk_everything(SequenceNumber since) {
  policy_.changed_since = policy_.changed_since.tv_sec != 0 ? policy_.changed_since : started_;
  progress_ = {.running = true};
  if (!state_.marks.baseline_running()) state_.marks.begin_baseline(since);
  lost_.clear();
  unmet_.clear();
  state_.links.clear();
  state_.directories.begin_walk();
  walk_anew(state_.directories.root());
}

/// A walk of everything ended. An operation still to be applied may place what it did not meet.
void Reconciler::note_unmet() {
  unmet_ = state_.directories.not_met();
  unmet_through_ = state_.intake.last_recorded();
  unmet_at_ = LostDirectories::Clock::now();
}

void Reconciler::forget_unmet() {
  const bool busy = !entry_queue_.empty() || !directory_queue_.empty() || active_entries_ > 0 ||
                    active_directories_ > 0;
  if (busy) return;
  for (const ObjectId& directory : std::exchange(unmet_, {})) {
    if (!state_.directories.is_met(directory)) directory_is_gone(directory);
  }
  state_.progressed();
}

}  // namespace mirrorfs::live
