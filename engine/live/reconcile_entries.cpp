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

constexpr auto kFirstRetry = std::chrono::milliseconds(100);
constexpr unsigned kAttemptsBeforeAlarm = 3;  // names that move meanwhile cost an attempt or two
constexpr std::chrono::seconds kLongestRetry{60};
constexpr std::chrono::seconds kLongestForPassing{1};
constexpr std::uint32_t kUnknownNumberOfNames = 1U << 30;

/// What a name that moves, or a file that is being written, looks like.
bool passing_trouble(const Error& error) {
  return error.code == ENOENT || error.code == ENOTDIR || error.code == ESTALE ||
         error.code == EBUSY || error.code == ENOTEMPTY || error.code == EEXIST;
}

}  // namespace

ring::Task<void> Reconciler::entry_task(Location entry) {
  const Attempt attempt = co_await try_entry(entry);
  if (attempt == Attempt::kAgain && !state_.ring.stopping()) {
    co_await source_is_ahead();
    // To the back: what it waits for may be an entry that waits for a slot.
    if (state_.marks.find(entry) != nullptr) queue_entry(entry);
  }
  --active_entries_;
  after_work();
}

ring::Task<Reconciler::Attempt> Reconciler::try_entry(const Location& entry) {
  if (state_.marks.find(entry) == nullptr) co_return Attempt::kDone;
  if (!state_.marks.is_known(entry.parent) || !state_.directories.contains(entry.parent)) {
    state_.marks.clear(entry);  // the walk of its directory will meet it, or it is gone with it
    co_return Attempt::kDone;
  }
  auto source = co_await open_reachable_source(entry.parent);
  if (!source) {
    const int code = source.error().code;
    Attempt next = Attempt::kDone;
    if (code == ENOENT || code == ESTALE) next = not_in_its_place(entry.parent);
    if (next == Attempt::kDone) entry_failed(entry, source.error());
    co_return next;
  }
  lost_.found(entry.parent);
  const auto expected = co_await state_.ring.statx((*source)->get(), entry.name.c_str());
  if (!expected && expected.error().code != ENOENT) {
    entry_failed(entry, expected.error());
    co_return Attempt::kDone;
  }
  const Attempt attempt = co_await entry_held(entry, expected ? &*expected : nullptr, *source);
  co_return attempt;
}

/// Takes the claims that go with what the source showed, and sets the parent's times before it
/// leaves them.
ring::Task<Reconciler::Attempt> Reconciler::entry_held(const Location& entry,
                                                       const Metadata* expected,
                                                       const state::DirHandle& source) {
  stream::ClaimSet claims;
  claims.shared(stream::object_key(entry.parent));
  claims.exclusive(stream::entry_key(entry.parent, entry.name));
  if (expected != nullptr) claims.exclusive(stream::object_key(expected->id()));
  const std::unordered_set<ObjectId> doomed = doomed_by(entry, expected);
  for (const ObjectId& directory : doomed) claims.exclusive(stream::object_key(directory));
  Hold hold(state_.dependencies);
  co_await hold.acquire(claims);
  Attempt attempt = Attempt::kAgain;
  const bool holds_all = std::ranges::all_of(
      doomed_by(entry, expected), [&](const ObjectId& id) { return doomed.contains(id); });
  if (holds_all) attempt = co_await look_again(entry, expected, source);
  std::vector<ObjectId> directories(doomed.begin(), doomed.end());
  directories.push_back(entry.parent);
  if (expected != nullptr && expected->is_directory()) directories.push_back(expected->id());
  co_await settle_directories(directories);
  // An operation left the times to whoever came next, and this was nobody.
  const bool unsettled = expected != nullptr && !expected->is_directory() &&
                         state_.settling.pending(expected->id()) &&
                         !state_.dependencies.contended(stream::object_key(expected->id()));
  if (unsettled && state_.marks.is_known(entry.parent)) {
    state_.settling.drop(expected->id());
    request(entry, state::kSinceEver);
  }
  co_return attempt;
}

/// The source under the claims: only if it still shows the object that the claims are for.
ring::Task<Reconciler::Attempt> Reconciler::look_again(const Location& entry,
                                                       const Metadata* expected,
                                                       const state::DirHandle& source) {
  if (state_.marks.find(entry) == nullptr) co_return Attempt::kDone;
  if (!state_.marks.is_known(entry.parent) || !state_.directories.contains(entry.parent)) {
    co_return Attempt::kAgain;  // decided anew without the claims
  }
  const SequenceNumber before = state_.intake.last_recorded();
  const auto now = co_await state_.ring.statx(source->get(), entry.name.c_str());
  const bool same = now ? expected != nullptr && now->id() == expected->id()
                        : now.error().code == ENOENT && expected == nullptr;
  if (!same) co_return Attempt::kAgain;
  std::optional<Metadata> metadata;
  if (now) metadata = *now;
  const auto done = co_await reconcile_held(entry, metadata, source);
  entry_reflects(entry, metadata ? metadata->id() : ObjectId{});
  co_await settle_parent(entry, source, before);
  if (!metadata || !metadata->is_directory()) no_directory_at(entry);
  if (done) {
    state_.marks.clear(entry);
    ++state_.reconciled;
  } else {
    entry_failed(entry, done.error());
    // Should the directory itself be the trouble, the next attempt opens it anew, by name.
    state_.directories.replaced_on_replica(entry.parent);
  }
  co_return Attempt::kDone;
}

/// A directory that cannot be opened on the replica, though it should be there, is itself to be
/// reconciled, with all below it.
void Reconciler::parent_is_damaged(const Location& entry) {
  const auto where = state_.directories.where(entry.parent);
  if (!where) return;
  must_walk_.insert(entry.parent);
  request(*where, state::kSinceEver);
}

ring::Task<Result<void>> Reconciler::reconcile_held(const Location& entry,
                                                    const std::optional<Metadata>& now,
                                                    const state::DirHandle& source) {
  auto replica = co_await state_.directories.open_replica(entry.parent);
  if (!replica) {
    parent_is_damaged(entry);
    co_return pass_on(std::move(replica));
  }
  bool offered = false;
  if (now) {
    state_.files.erase(now->id());
    state_.settling.drop(now->id());
    if (!now->is_directory() && now->nlink > 1) {
      offered = co_await offer_links(entry, *now);
      const state::Mark* mark = state_.marks.find(entry);  // none: its directory is given up
      const bool from_walk = mark != nullptr && mark->from_walk;
      if (!offered && !from_walk) co_await detach_shared(entry, (*replica)->get());
    }
  }
  PassObserver observer(progress_, state_.totals);
  const compare::DirectoryPair pair{entry.parent, source->get(), (*replica)->get()};
  auto room = co_await make_room(entry, now ? &*now : nullptr, pair);
  if (!room) co_return room;
  const compare::Policy policy{.compare = compare::Compare::kFull};
  auto result = co_await compare::reconcile_entry(context(observer), pair, entry.name, now,
                                                  std::nullopt, policy);
  if (!result) co_return pass_on(std::move(result));
  if (result->source && result->is_directory) {
    auto done = co_await directory_entry(entry, *result);
    co_return done;
  }
  if (result->source && result->source->nlink > 1) state_.links.add(result->source->id(), entry);
  if (offered && result->source) {
    auto compared = co_await compare_linked(entry, *result->source, pair);
    co_return compared;
  }
  co_return Result<void>{};
}

/// A directory that is not the one known at this place has to be walked, with all below it.
ring::Task<Result<void>> Reconciler::directory_entry(const Location& entry,
                                                     const compare::EntryResult& result) {
  const ObjectId id = result.source->id();
  const bool in_place = state_.directories.where(id) == entry && !result.created_directory;
  const bool walk_again = must_walk_.erase(id) > 0;
  if (!in_place || walk_again || !state_.marks.is_known(id)) {
    place(id, entry);
    walk_anew(id);
    co_return Result<void>{};
  }
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
  co_return Result<void>{};
}

/// Tells the copier where the replica has this object already, if a clean name of it is known.
ring::Task<bool> Reconciler::offer_links(const Location& entry, const Metadata& source) {
  const ObjectId id = source.id();
  hardlinks_.forget(id);
  for (const Location& name : state_.links.all(id)) {
    if (name == entry || !state_.marks.is_known(name.parent) || state_.marks.is_marked(name)) {
      continue;
    }
    const auto directory = co_await state_.directories.open_replica(name.parent);
    if (!directory) continue;
    const auto there = co_await state_.ring.statx((*directory)->get(), name.name.c_str());
    if (!there || there->type() != source.type()) continue;
    hardlinks_.remember(id, {.where = name, .replica = there->id()}, kUnknownNumberOfNames);
    co_return true;
  }
  co_return false;
}

/// The name is a link to the right object now, but what marked it may have been lost content.
ring::Task<Result<void>> Reconciler::compare_linked(const Location& entry, const Metadata& source,
                                                    const compare::DirectoryPair& pair) {
  const auto there = co_await state_.ring.statx(pair.replica, entry.name.c_str());
  if (!there) co_return std::unexpected(there.error());
  const ObjectId id = source.id();
  hardlinks_.forget(id);
  hardlinks_.remember(id, {.where = entry, .replica = there->id()}, kUnknownNumberOfNames);
  PassObserver observer(progress_, state_.totals);
  const compare::Policy policy{.compare = compare::Compare::kFull};
  auto result = co_await compare::reconcile_entry(context(observer), pair, entry.name, source,
                                                  std::nullopt, policy);
  if (!result) co_return pass_on(std::move(result));
  co_return Result<void>{};
}

/// What stands there under several names may belong to another source object, whose other names are
/// right: it must not be taken for this one and be written to.
ring::Task<void> Reconciler::detach_shared(const Location& entry, int replica_directory) {
  const char* name = entry.name.c_str();
  const auto there = co_await state_.ring.statx(replica_directory, name);
  if (!there || there->is_directory() || there->nlink < 2) co_return;
  const auto removed = co_await state_.ring.unlinkat(replica_directory, name, 0);
  if (!removed) state_.count_error(removed.error().message());
}

/// The parent's entries moved on the replica: its times are the source's, as of now or later.
ring::Task<void> Reconciler::settle_parent(const Location& entry, const state::DirHandle& source,
                                           SequenceNumber before) {
  const auto parent = co_await state_.ring.statx(source->get(), "", AT_EMPTY_PATH);
  if (parent) state_.settling.note(entry.parent, *parent, before);
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

void Reconciler::entry_failed(const Location& entry, const Error& error) {
  state::Mark* mark = state_.marks.find(entry);
  if (mark == nullptr) return;
  if (!passing_trouble(error) || mark->attempts + 1 >= kAttemptsBeforeAlarm) {
    const std::string line =
        fmt::format("{}: {}", state_.directories.path_of(entry), error.message());
    state_.count_error(line);
    if (mark->cause.empty()) log_warn("the replica cannot take {}; it is marked and retried", line);
    mark->cause = error.message();
  }
  const auto longest = passing_trouble(error) ? kLongestForPassing : kLongestRetry;
  const auto wait = std::min<state::Clock::duration>(
      kFirstRetry * (1U << std::min(mark->attempts, 10U)), longest);
  ++mark->attempts;
  mark->due = state::Clock::now() + wait;
}

}  // namespace mirrorfs::live
