#include "engine/live/reconciler.h"

#include "engine/stream/claims.h"
#include "engine/stream/operation_facts.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

constexpr std::size_t kEntriesAtOnce = 16;
constexpr std::size_t kDirectoriesAtOnce = 8;
constexpr std::size_t kReflectionsBeforePruning = 4096;
constexpr auto kRetryInterval = std::chrono::milliseconds(100);
constexpr auto kSourceAheadPause = std::chrono::milliseconds(1);
constexpr auto kLongestAttempt = std::chrono::minutes(10);  // an attempt sets the next time itself

}  // namespace

Reconciler::Reconciler(LiveState& state, tree::Staging& staging)
    : state_(state), staging_(staging), hardlinks_(state.directories) {
  ::clock_gettime(CLOCK_REALTIME, &started_);
  started_.tv_sec -= 1;  // file times come from a coarser clock that lags behind this one
}

tree::Context Reconciler::context(tree::Observer& observer) {
  return {.ring = state_.ring,
          .staging = &staging_,
          .hardlinks = hardlinks_,
          .observer = observer,
          .limits = limits_,
          .rights = state_.rights};
}

void Reconciler::start_baseline(tree::Policy policy) {
  policy_ = policy;
  progress_ = {.running = true};
  state_.marks.begin_baseline(state_.intake.last_recorded());
  queue_directory(state_.directories.root());
}

void Reconciler::request_everything(SequenceNumber since) {
  log_warn("what the replica lacks cannot be told object by object: comparing the whole tree");
  walk_everything(since);
}

/// Below a directory that is not known a walk is still to come.
void Reconciler::request_directory(const ObjectId& directory, SequenceNumber since) {
  if (!state_.directories.contains(directory)) return;
  state_.marks.set_unknown(directory, since);
  queue_directory(directory);
}

/// Their new place is told by an operation still to come, or by a walk; until then they hold back
/// whoever waits for a clean mirror.
void Reconciler::note_displaced() {
  for (const ObjectId& directory : state_.directories.take_displaced()) {
    state_.links.release_directory(directory);
    state_.marks.set_unknown(directory, state::kSinceEver);
    lost_.missed(directory, std::nullopt, state_.intake.last_recorded(),
                 LostDirectories::Clock::now());
  }
}

/// Nothing is known of the directory any more, nor of what stands for it on the replica.
void Reconciler::walk_anew(const ObjectId& directory) {
  note_displaced();
  if (state_.marks.is_known(directory)) forget_below(directory);
  state_.directories.replaced_on_replica(directory);
  state_.links.release_directory(directory);
  state_.marks.set_unknown(directory, state::kSinceEver);
  queue_directory(directory);
}

void Reconciler::request(const Location& entry, SequenceNumber since) {
  enqueue(entry, since, Origin::kOperation);
}

void Reconciler::enqueue(const Location& entry, SequenceNumber since, Origin origin) {
  const bool fresh = state_.marks.mark(entry, since);
  state_.marks.find(entry)->from_walk = fresh && origin == Origin::kWalk;
  state_.links.release(entry);
  state_.files.erase_at(entry);
  queue_entry(entry);
  pump();
}

void Reconciler::queue_entry(const Location& entry) {
  if (!queued_entries_.insert(stream::entry_key(entry.parent, entry.name)).second) return;
  entry_queue_.push_back(entry);
}

void Reconciler::queue_directory(const ObjectId& directory) {
  directory_queue_.push_back(directory);
  pump();
}

void Reconciler::resume() {
  paused_ = false;
  pump();
}

void Reconciler::pump() {
  if (paused_) return;
  while (active_directories_ < kDirectoriesAtOnce && !directory_queue_.empty()) {
    const ObjectId directory = directory_queue_.back();
    directory_queue_.pop_back();
    ++active_directories_;
    state_.ring.spawn(directory_task(directory));
  }
  while (active_entries_ < kEntriesAtOnce && !entry_queue_.empty()) {
    Location entry = std::move(entry_queue_.front());
    entry_queue_.pop_front();
    queued_entries_.erase(stream::entry_key(entry.parent, entry.name));
    ++active_entries_;
    state_.ring.spawn(entry_task(std::move(entry)));
  }
}

void Reconciler::after_work() {
  pump();
  if (state_.marks.baseline_running() && directory_queue_.empty() && active_directories_ == 0 &&
      !root_failed_) {
    state_.marks.end_baseline();
    note_unmet();
  }
  if (progress_.running && !baseline_in_progress()) {
    progress_.running = false;
    log_info("baseline done: {} objects, {} bytes looked at", progress_.files_done,
             progress_.bytes_done);
  }
  if (state_.catching_up && state_.marks.none()) {
    state_.catching_up = false;
    log_info("caught up: order is kept again");
  }
  if (entry_reflects_.size() + directory_reflects_.size() > kReflectionsBeforePruning) {
    prune(entry_reflects_);
    prune(directory_reflects_);
  }
  state_.progressed();
}

/// Walking, or still working on the files that the walk put off.
bool Reconciler::baseline_in_progress() const {
  return state_.marks.baseline_running() || state_.marks.unknown_directories() > 0 ||
         !entry_queue_.empty() || active_entries_ > 0;
}

void Reconciler::directory_is_gone(const ObjectId& directory) {
  state_.marks.forget_directory(directory);
  state_.marks.set_known(directory);
  must_walk_.erase(directory);
  lost_.found(directory);
  state_.directories.erase(directory);
}

void Reconciler::applied(const Operation& operation) {
  note_displaced();
  if (const auto* made = std::get_if<MakeDirectory>(&operation)) {
    state_.marks.set_known(made->object);
  } else if (const auto* unlink = std::get_if<Unlink>(&operation)) {
    hardlinks_.forget(unlink->object);
  } else if (const auto* rename = std::get_if<Rename>(&operation)) {
    hardlinks_.forget(rename->object);
    if (rename->replaced) hardlinks_.forget(*rename->replaced);
  }
}

bool Reconciler::may_hold_already(const Location& entry, const stream::Recorded& recorded) const {
  const auto directory = directory_reflects_.find(entry.parent);
  if (directory != directory_reflects_.end() && directory->second.may_show(recorded)) return true;
  const auto found = entry_reflects_.find(stream::entry_key(entry.parent, entry.name));
  return found != entry_reflects_.end() && found->second.may_show(recorded);
}

/// Content and attributes are applied again only to the object they are meant for.
bool Reconciler::holds_another_object(const stream::Recorded& recorded) const {
  const auto object = stream::changed_object(recorded.operation);
  if (!object) return false;
  for (const Location& entry : stream::touched_entries(recorded.operation)) {
    const auto found = entry_reflects_.find(stream::entry_key(entry.parent, entry.name));
    // By numbers: when another object takes the name, all that was done to this one through it has
    // been recorded, for that takes the locks of both.
    const bool ahead =
        found != entry_reflects_.end() && recorded.number <= found->second.look.recorded;
    if (ahead && found->second.object != *object) return true;
  }
  return false;
}

/// The source was read: what was admitted by now may be in it.
std::optional<Reconciler::Reflection> Reconciler::reflection(const ObjectId& object) {
  const stream::Look look = state_.intake.look();
  if (!look.under_way && look.recorded <= state_.watermark.closed_through()) return std::nullopt;
  return Reflection{.look = look, .object = object, .last_shown = look.recorded};
}

void Reconciler::entry_reflects(const Location& entry, const ObjectId& object) {
  const auto reflects = reflection(object);
  if (reflects) entry_reflects_[stream::entry_key(entry.parent, entry.name)] = *reflects;
}

void Reconciler::directory_reflects(const ObjectId& directory) {
  const auto reflects = reflection(directory);
  if (reflects) directory_reflects_[directory] = *reflects;
}

/// Whether nothing that it shows is still to be applied.
bool Reconciler::has_passed(Reflection& reflection) const {
  stream::Look& look = reflection.look;
  if (look.under_way && state_.intake.all_recorded(look.number)) {
    look.under_way = false;
    reflection.last_shown = state_.intake.last_recorded();
  }
  return !look.under_way && reflection.last_shown <= state_.watermark.closed_through();
}

template <class Reflections>
void Reconciler::prune(Reflections& reflections) {
  for (auto at = reflections.begin(); at != reflections.end();) {
    at = has_passed(at->second) ? reflections.erase(at) : std::next(at);
  }
}

ring::Task<void> Reconciler::retry_loop() {
  while (true) {
    const bool slept = co_await state_.ring.sleep(kRetryInterval);
    if (!slept) co_return;
    retry_root();
    look_for_lost();
    const auto now = state::Clock::now();
    for (const Location& entry : state_.marks.due(now)) {
      state::Mark* mark = state_.marks.find(entry);
      if (mark == nullptr) continue;  // resolved by one that was begun just now
      mark->due = now + kLongestAttempt;
      request(entry, mark->since);
    }
  }
}

void Reconciler::retry_root() {
  if (std::exchange(root_failed_, false)) queue_directory(state_.directories.root());
}

void Reconciler::retry_all() {
  retry_root();
  for (const Location& entry : state_.marks.all()) {
    const state::Mark* mark = state_.marks.find(entry);
    if (mark == nullptr) continue;
    request(entry, mark->since);
  }
}

/// The source shows a rename that is recorded but not applied yet: try again a little later. By the
/// clock and not by progress, which those who try again make themselves.
ring::Task<void> Reconciler::source_is_ahead() { co_await state_.ring.sleep(kSourceAheadPause); }

BaselineProgress Reconciler::progress() const { return progress_; }

}  // namespace mirrorfs::live
