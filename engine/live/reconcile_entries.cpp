// Reconciling one marked entry.
#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>

#include "engine/compare/entry.h"
#include "engine/live/pass_observer.h"
#include "engine/live/reconciler.h"
#include "engine/stream/claims.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

using state::DirectoryState;

constexpr auto kFirstRetry = std::chrono::milliseconds(100);
constexpr unsigned kAttemptsBeforeAlarm = 3;  // names that move meanwhile cost an attempt or two
constexpr std::chrono::seconds kLongestRetry{60};
constexpr std::chrono::seconds kLongestForPassing{1};

/// What a name that moves, or a file that is being written, looks like.
bool may_pass(const Error& error) {
  return error.code == ENOENT || error.code == ENOTDIR || error.code == ESTALE ||
         error.code == EBUSY || error.code == ENOTEMPTY || error.code == EEXIST;
}

/// The directory's own walk, or its reconcile, is still to come and covers all its entries; or it
/// is gone.
bool covers_its_entries(std::optional<DirectoryState> directory) {
  return directory != DirectoryState::kKnown && directory != DirectoryState::kWalking;
}

}  // namespace

ring::Task<void> Reconciler::entry_task(Location entry, Lane& lane) {
  const Attempt attempt = co_await try_entry(entry);
  if (attempt == Attempt::kAgain && !state_.ring.stopping()) {
    co_await source_is_ahead();
    // To the back: what it waits for may be an entry that waits for a slot.
    const state::Mark* mark = state_.marks.find(entry);
    if (mark != nullptr && mark->state == state::MarkState::kQueued)
      lane_of(entry).queue.push_back(entry);
  }
  --lane.active;
  after_work();
}

ring::Task<Reconciler::Attempt> Reconciler::try_entry(const Location& entry) {
  if (!state_.marks.is_marked(entry)) co_return Attempt::kDone;
  if (covers_its_entries(state_.directories.state(entry.parent))) {
    state_.marks.clear(entry);
    co_return Attempt::kDone;
  }
  auto source = co_await open_reachable_source(entry.parent);
  // Its directory may have been removed meanwhile.
  if (!source && !state_.marks.is_marked(entry)) co_return Attempt::kDone;
  if (!source) {
    const int code = source.error().code;
    const bool lost = code == ENOENT || code == ESTALE;
    if (lost && not_in_its_place(entry.parent) == Attempt::kAgain) co_return Attempt::kAgain;
    if (lost) {
      // One walk rather than a retry of each entry. What the mark has kept in the journal is owed
      // until then.
      if (state_.journal != nullptr) state_.journal->note(entry);
      state_.marks.clear(entry);
      request_listing(entry.parent);
    } else {
      entry_failed(entry, {}, source.error());
    }
    co_return Attempt::kDone;
  }
  found(entry.parent);
  const auto expected = co_await state_.ring.statx((*source)->get(), entry.name.c_str());
  if (!expected && expected.error().code != ENOENT) {
    entry_failed(entry, {}, expected.error());
    co_return Attempt::kDone;
  }
  const Attempt attempt = co_await entry_held(entry, expected ? &*expected : nullptr, *source);
  co_return attempt;
}

/// Takes the claims that go with what the source showed.
ring::Task<Reconciler::Attempt> Reconciler::entry_held(const Location& entry,
                                                       const Metadata* expected,
                                                       const state::DirHandle& source) {
  stream::ClaimSet claims;
  // Where two names may be one, one of a directory at a time.
  if (state_.rights.fidelity.replica.folds_case) {
    claims.exclusive(stream::object_key(entry.parent));
  } else {
    claims.shared(stream::object_key(entry.parent));
  }
  claims.exclusive(stream::entry_key(entry.parent, entry.name));
  if (expected != nullptr) claims.exclusive(stream::object_key(expected->id()));
  const std::vector<ObjectId> doomed = doomed_by(entry, expected);
  for (const ObjectId& directory : doomed) claims.exclusive(stream::object_key(directory));
  Hold hold(state_);
  co_await hold.acquire(claims);
  Attempt attempt = Attempt::kAgain;
  const bool holds_all = std::ranges::all_of(doomed_by(entry, expected), [&](const ObjectId& id) {
    return std::ranges::find(doomed, id) != doomed.end();
  });
  if (holds_all) attempt = co_await look_again(entry, expected, source);
  co_return attempt;
}

/// The source under the claims: only if it still shows the object that the claims are for.
ring::Task<Reconciler::Attempt> Reconciler::look_again(const Location& entry,
                                                       const Metadata* expected,
                                                       const state::DirHandle& source) {
  if (state_.directories.state(entry.parent) != DirectoryState::kKnown) {
    co_return Attempt::kAgain;  // decided anew without the claims
  }
  const state::MarkReading reading = state_.marks.begin_reading(entry);
  if (!reading) co_return Attempt::kDone;
  const auto begun = LateRequests::Clock::now();
  const stream::Look from = state_.readings.begin();
  const auto now = co_await state_.ring.statx(source->get(), entry.name.c_str());
  const bool same = now ? expected != nullptr && now->id() == expected->id()
                        : now.error().code == ENOENT && expected == nullptr;
  if (!same) {
    state_.marks.abandon_reading(entry, reading);
    co_return Attempt::kAgain;
  }
  const bool lacks = co_await lacks_names(entry, now ? &*now : nullptr);
  if (lacks) {
    state_.marks.abandon_reading(entry, reading);
    request_everything();
    co_return Attempt::kAgain;  // its walk covers it now
  }
  std::optional<Metadata> metadata;
  if (now) metadata = *now;
  const auto done = co_await reconcile_held(entry, metadata, source);
  const SequenceNumber finished = state_.finished.closed_through();
  const ObjectId object = metadata ? metadata->id() : ObjectId{};
  state_.readings.note_entry(entry, from, object, finished);
  if (done && *done) {
    state_.readings.note_object(object, entry, from, finished, **done);
    times_are_read(object, entry, **done, from.recorded);
    state_.owed.read(object, from.recorded);
    note_names(**done);
  }
  co_await note_parent_times(entry, source, from.recorded);
  if (!metadata || !metadata->is_directory()) no_directory_at(entry);
  if (!done) {
    // What it has in common with its other names may have been lost half way.
    const bool linked = metadata && !metadata->is_directory() && metadata->nlink > 1;
    if (linked) state_.owed.add(object, state_.intake.last_recorded());
    entry_failed(entry, reading, done.error());
    // Should the directory itself be the trouble, the next attempt opens it anew, by name.
    state_.directories.forget_replica(entry.parent);
    co_return Attempt::kDone;
  }
  state_.reconciled_in(entry.parent);
  const state::Mark* const mark = state_.marks.find(entry);
  if (mark != nullptr && mark->since == state::kSinceEver) ++state_.repaired;
  if (const auto later = state_.late.look_again_at(entry, begun, LateRequests::Clock::now())) {
    need_retries();
    co_return state_.marks.postponed(entry, reading, *later) ? Attempt::kAgain : Attempt::kDone;
  }
  co_return state_.marks.done(entry, reading) ? Attempt::kAgain : Attempt::kDone;
}

void Reconciler::note_names(const Metadata& source) {
  if (!has_copy(source)) return;
  // The only name of an object is not noted.
  const std::size_t known = source.nlink < 2 ? source.nlink : state_.links.count(source.id());
  state_.owed.know_names(source.id(), source.nlink, known);
}

/// A directory that cannot be opened on the replica, though it should be there, is itself to be
/// reconciled, with all below it.
void Reconciler::parent_is_damaged(const Location& entry) {
  const auto where = state_.directories.where(entry.parent);
  if (!where) return;
  state_.directories.mark_damaged(entry.parent);
  request(*where, state::kSinceEver);
}

/// Yields what the replica has there now, as it was read.
ring::Task<Result<std::optional<Metadata>>> Reconciler::reconcile_held(
    const Location& entry, const std::optional<Metadata>& now, const state::DirHandle& source) {
  co_await state_.marks_are_durable();
  auto replica = co_await state_.directories.open_replica(entry.parent);
  if (!replica) {
    parent_is_damaged(entry);
    co_return pass_on(std::move(replica));
  }
  if (state_.boundaries.leaves_alone(source->get(), entry.parent, entry.name,
                                     now ? &*now : nullptr)) {
    co_return now;
  }
  const auto found_pair = pair_of(entry.parent, source, *replica);
  if (!found_pair) co_return std::unexpected(found_pair.error());
  const compare::DirectoryPair& pair = *found_pair;
  const auto alone = co_await is_left_alone(entry, now ? &*now : nullptr, pair);
  if (!alone) co_return std::unexpected(alone.error());
  if (*alone) {
    leave_alone(entry, now ? &*now : nullptr);
    co_return std::nullopt;
  }
  PassObserver observer(progress_, state_.totals);
  auto room = co_await make_room(entry, now ? &*now : nullptr, pair);
  if (!room) co_return pass_on(std::move(room));
  ObjectId offered;
  if (now) {
    state_.files.erase(now->id());
    const auto known = co_await prepare_links(entry, *now, (*replica)->get());
    if (!known) co_return std::unexpected(known.error());
    offered = *known;
  }
  compare::Policy policy{.compare = compare::Compare::kFull,
                         .reread_since = policy_.reread_since,
                         .same_object = true};
  if (state_.late.contains(entry)) policy.reread_since = {.tv_sec = 0, .tv_nsec = 1};
  copy::Limits& limits = is_prompt(entry) ? prompt_limits_ : limits_;
  auto result = co_await compare::reconcile_known(context(observer, limits), pair, entry.name,
                                                  {.looked = true, .metadata = now}, {}, policy);
  if (!result) co_return pass_on(std::move(result));
  // Whose name it was known to be may have been told by a reading that the name has left behind.
  const bool linked = result->source && has_copy(*result->source) && result->source->nlink > 1;
  if (!linked) state_.links.release(entry);
  if (result->source && observer.names_were_split()) state_.links.set_split(result->source->id());
  if (!result->source || !result->is_directory) {
    const ObjectId object = result->source ? result->source->id() : ObjectId{};
    follow_refusals(entry, object, observer.refusal_of(entry.name));
  }
  if (result->source && result->is_directory) {
    auto done = co_await directory_entry(entry, *result);
    if (!done) co_return pass_on(std::move(done));
    co_return result->source;
  }
  if (linked) note_copy(result->source->id(), entry);
  if (offered && result->source) {
    auto compared = co_await compare_linked(entry, *result->source, pair, offered);
    co_return compared;
  }
  co_return result->source;
}

/// A directory that is not the one known at this place has to be walked, with all below it.
ring::Task<Result<void>> Reconciler::directory_entry(const Location& entry,
                                                     const compare::EntryResult& result) {
  const ObjectId id = result.source->id();
  if (meet(id, entry, result.replica_directory)) co_return Result<void>{};
  auto source = co_await state_.directories.open_source(id);
  if (!source) co_return pass_on(std::move(source));
  auto replica = co_await state_.directories.open_replica(id);
  if (!replica) co_return pass_on(std::move(replica));
  PassObserver observer(progress_, state_.totals);
  const compare::DirectoryPair pair{id, (*source)->get(), (*replica)->get()};
  const compare::FinishOptions options{.source = result.source, .replica = {}, .touched = true};
  const compare::Policy policy{};
  auto done =
      co_await compare::finish_directory(context(observer), pair, entry.name, options, policy);
  if (!done) co_return pass_on(std::move(done));
  follow_refusals(entry, id, observer.refusal_of(entry.name));
  co_return Result<void>{};
}

/// The parent's entries moved on the replica: its times are the source's, as of now or later.
ring::Task<void> Reconciler::note_parent_times(const Location& entry,
                                               const state::DirHandle& source,
                                               SequenceNumber before) {
  const auto parent = co_await state_.ring.statx(source->get(), "", AT_EMPTY_PATH);
  if (parent) {
    const auto now = state::PendingTimes::Clock::now();
    state_.times.note(entry.parent, std::nullopt, *parent, before, now);
  }
  if (!parent || state_.rights.override_access) co_return;
  // An ordinary user may have had to make the directory writable: give it its mode again.
  const auto replica = co_await state_.directories.open_replica(entry.parent);
  if (!replica) co_return;
  PassObserver observer(progress_, state_.totals);
  const compare::DirectoryPair pair{entry.parent, source->get(), (*replica)->get()};
  const compare::FinishOptions options{.source = *parent, .replica = {}, .touched = true};
  const compare::Policy policy{};
  const auto done =
      co_await compare::finish_directory(context(observer), pair, "", options, policy);
  if (!done) state_.count_error(done.error().message());
}

void Reconciler::entry_failed(const Location& entry, state::MarkReading reading, const Error& error,
                              unsigned failed_before) {
  suspect(entry, error);
  const state::Mark* mark = state_.marks.find(entry);
  if (mark == nullptr) return;
  const unsigned attempts = std::max(mark->attempts, failed_before);
  std::string cause;
  if (!may_pass(error) || attempts + 1 >= kAttemptsBeforeAlarm) {
    const std::string line =
        fmt::format("{}: {}", state_.directories.path_of(entry), error.message());
    state_.count_error(line);
    if (mark->cause.empty()) {
      log_repeating(LogLevel::kWarn, std::string(error.operation) + std::to_string(error.code),
                    fmt::format("the replica cannot take {}; it is marked and retried", line));
    }
    cause = error.message();
    if (mark->kept == nullptr) state_.marks.keep(entry, state_.keep_in_journal(entry, {}));
  }
  const auto longest = may_pass(error) ? kLongestForPassing : kLongestRetry;
  const auto wait =
      std::min<state::Clock::duration>(kFirstRetry * (1U << std::min(attempts, 10U)), longest);
  const bool again =
      state_.marks.failed(entry, reading, std::move(cause), state::Clock::now() + wait);
  if (again) lane_of(entry).queue.push_back(entry);
  need_retries();
}

}  // namespace mirrorfs::live
