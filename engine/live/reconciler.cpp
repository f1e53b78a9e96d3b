#include "engine/live/reconciler.h"

#include "engine/copy/remove_tree.h"
#include "engine/live/pass_observer.h"
#include "engine/objects/file_clock.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

constexpr std::size_t kEntriesAtOnce = 16;
constexpr std::size_t kPromptEntriesAtOnce = 8;
constexpr std::size_t kPromptPieces = 8;
constexpr std::size_t kDirectoriesAtOnce = 8;
constexpr std::size_t kReadingsBeforePruning = 4096;
constexpr auto kRetryInterval = std::chrono::milliseconds(100);
constexpr auto kSourceAheadPause = std::chrono::milliseconds(1);

}  // namespace

Reconciler::Reconciler(LiveState& state, copy::Staging& staging, std::function<bool()> is_awaited)
    : state_(state),
      staging_(staging),
      hardlinks_(state.directories),
      limit_(state.ring,
             [this, awaited = std::move(is_awaited)] {
               return paused_ || state_.stream_waits_for_a_hold() || awaited();
             }),
      prompt_limits_{ring::Semaphore(kPromptEntriesAtOnce), copy::PieceBudget(kPromptPieces),
                     copy::PieceBudget(kPromptEntriesAtOnce, copy::kSmallFile)},
      entries_{.most = kEntriesAtOnce},
      prompt_entries_{.most = kPromptEntriesAtOnce} {
  limits_.pieces.pace_by(&limit_);
  started_ = objects::file_time_now();
  policy_.changed_since = started_;
  policy_.same_object = true;
}

/// It is marked for what an application did, of which the replica lacks nothing else.
bool Reconciler::is_prompt(const Location& entry) const {
  const state::Mark* const mark = state_.marks.find(entry);
  return mark != nullptr && mark->origin == state::Origin::kOperation &&
         mark->since != state::kSinceEver && !state_.catching_up;
}

compare::Context Reconciler::context(compare::Observer& observer, copy::Limits& limits) {
  return {.ring = state_.ring,
          .writer = state_.writer,
          .staging = &staging_,
          .hardlinks = hardlinks_,
          .observer = observer,
          .limits = limits,
          .rights = state_.rights,
          .boundaries = &state_.boundaries,
          .exclusion = &state_.exclusion};
}

void Reconciler::start_baseline(compare::Policy policy) {
  use(policy);
  // A walk may take over marks, which would have compared all.
  if (policy_.changed_since.tv_sec == 0) policy_.changed_since = started_;
  walk_everything();
}

void Reconciler::request_everything() {
  log_warn("what the replica lacks cannot be told object by object: comparing the whole tree");
  walk_everything();
}

void Reconciler::reread_everything(const timespec& since) {
  distrust_cache_since(since);
  request_everything();
}

void Reconciler::distrust_cache_since(const timespec& since) {
  const bool off = policy_.reread_since.tv_sec == 0 && policy_.reread_since.tv_nsec == 0;
  if (off || is_before(since, policy_.reread_since)) policy_.reread_since = since;
}

void Reconciler::distrust_content_of(std::vector<journal::JournalMark> marks) {
  distrusted_.clear();
  for (journal::JournalMark& mark : marks) distrusted_.insert(std::move(mark.entry));
}

void Reconciler::request(const Location& entry, SequenceNumber since, state::Origin origin) {
  // What an operation came to is in the journal since before the source changed; what a walk finds
  // is below what is marked there.
  const bool is_new = since == state::kSinceEver && origin == state::Origin::kOperation;
  if (is_new && state_.journal != nullptr) state_.journal->note(entry);
  mark(entry, since, origin);
}

void Reconciler::mark(const Location& entry, SequenceNumber since, state::Origin origin) {
  const bool queue = state_.marks.request(entry, since, origin);
  release_name(entry);
  if (!queue) return;
  lane_of(entry).queue.push_back(entry);
  pump();
}

void Reconciler::release_name(const Location& entry) {
  state_.links.release(entry);
  state_.files.erase_at(entry);
  state_.times.release(entry);
}

void Reconciler::request_listing(const ObjectId& directory) {
  if (state_.directories.state(directory) == state::DirectoryState::kUnplaced) return;
  state_.directories.mark_unwalked(directory);
  release_names_in(directory);
  queue_directory(directory);
}

/// What was known to have a name in it is known no more.
void Reconciler::release_names_in(const ObjectId& directory) {
  state_.links.release_directory(directory);
  state_.files.erase_in(directory);
  state_.times.release_directory(directory);
}

/// Their new place is told by an operation still to come, or by a walk; until then they hold back
/// those that wait for a clean mirror.
void Reconciler::note_displaced() {
  for (const ObjectId& directory : state_.directories.take_displaced()) {
    state_.links.release_directory(directory);
    miss(directory);
  }
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
  for (Lane* const lane : {&prompt_entries_, &entries_}) {
    while (lane->active < lane->most && !lane->queue.empty()) {
      Location entry = std::move(lane->queue.front());
      lane->queue.pop_front();
      ++lane->active;
      state_.ring.spawn(entry_task(std::move(entry), *lane));
    }
  }
}

void Reconciler::after_work() {
  pump();
  state_.leftovers = staging_.leftovers();
  if (state_.leftovers > 0) need_retries();
  if (walking_everything_ && !walks_under_way() && !root_failed_) walked_everything();
  const bool busy =
      walking_everything_ || walks_under_way() || entries_are_queued() || entries_under_way() > 0;
  if (progress_.running && !busy) {
    progress_.running = false;
    log_info("baseline done: {} objects, {} bytes looked at", progress_.files_done,
             progress_.bytes_done);
    // From now on the replica is what this session has made it.
    if (state_.clean()) {
      state_.writer.keep_no_more();
      state_.session.note_walk();
      state_.exclusion.all_compared();
    }
  }
  const SequenceNumber finished = state_.finished.closed_through();
  if (state_.readings.size() > kReadingsBeforePruning) state_.readings.prune(finished);
  state_.directories.owners().release_orphans(finished);
  state_.progressed();
}

void Reconciler::directory_is_gone(const ObjectId& directory) {
  state_.directories.erase(directory, state_.intake.last_recorded());
  forget(directory);
}

/// What is excluded is followed no more than what was removed.
void Reconciler::tree_is_gone(const ObjectId& directory) {
  for (const ObjectId& below : state_.directories.below(directory)) directory_is_gone(below);
  directory_is_gone(directory);
}

/// The table has it no more: neither has anything else.
void Reconciler::forget(const ObjectId& directory) {
  state_.marks.forget_directory(directory);
  state_.late.forget_directory(directory);
  state_.refusals.forget_directory(directory);
  release_names_in(directory);
  state_.times.drop(directory);
  lost_.found(directory);
}

ring::Task<void> Reconciler::retry_loop() {
  while (!state_.ring.stopping()) {
    const bool waiting = root_failed_ || state_.marks.waiting_count() > 0 || !lost_.none() ||
                         state_.refusals.size() > 0 || searching_ || state_.leftovers > 0;
    if (!waiting) {
      retries_needed_.reset();
      co_await retries_needed_.wait();
    }
    const bool slept = co_await state_.ring.sleep(kRetryInterval);
    if (!slept) co_return;
    if (root_retry_.is_due()) retry_root();
    if (leftovers_retry_.is_due()) retry_leftovers();
    look_for_lost();
    retry_refusals(state_.refusals.due(state::Refusals::Clock::now()));
    for (const Location& entry : state_.marks.due(state::Clock::now())) {
      request(entry, state_.marks.find(entry)->since);
    }
    if (idle()) state_.progressed();  // what was searched for may have moved
  }
}

void Reconciler::retry_root() {
  if (std::exchange(root_failed_, false)) queue_directory(state_.directories.root());
}

void Reconciler::retry_leftovers() {
  if (state_.leftovers == 0 || clearing_ || paused_) return;
  clearing_ = true;
  state_.ring.spawn(clear_leftovers());
}

ring::Task<void> Reconciler::clear_leftovers() {
  PassObserver observer(progress_, state_.totals);
  const auto cleared = co_await copy::clear_leftovers(context(observer).copying());
  if (cleared) {
    leftovers_retry_.succeeded();
  } else {
    leftovers_retry_.failed();
    const std::string line = "the staging folder: " + cleared.error().message();
    state_.count_error(line);
    log_repeating(LogLevel::kWarn, "leftovers",
                  "what is left there cannot be removed from " + line);
  }
  clearing_ = false;
  state_.leftovers = staging_.leftovers();
  state_.progressed();
}

void Reconciler::retry_all() {
  retry_root();
  retry_leftovers();
  retry_refusals(state_.refusals.one_of_each());
  for (const Location& entry : state_.marks.waiting()) {
    request(entry, state_.marks.find(entry)->since);
  }
}

/// The source shows a rename that is recorded but not applied yet: try again a little later. By the
/// clock and not by progress, which those that try again make themselves.
ring::Task<void> Reconciler::source_is_ahead() { co_await state_.ring.sleep(kSourceAheadPause); }

}  // namespace mirrorfs::live
