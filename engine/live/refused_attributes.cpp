// Attributes that the replica does not take: content, names and all other attributes are mirrored
// all the same, and one of each kind is tried again until it is taken.
#include <algorithm>

#include "engine/compare/entry.h"
#include "engine/live/pass_observer.h"
#include "engine/live/reconciler.h"
#include "engine/stream/claims.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {

void Reconciler::refuse(const Location& entry, const ObjectId& object, const Error& error) {
  // A directory without a place is walked when it has one.
  if (!entry.parent) return;
  const bool is_root = object == state_.directories.root();
  const auto now = state::Refusals::Clock::now();
  need_retries();
  auto held = state_.keep_in_journal(entry, object);
  if (!state_.refusals.note(entry, object, error, std::move(held), now)) return;
  const std::string path = is_root ? "." : state_.directories.path_of(entry);
  state_.count_error(path + ": " + error.message());
  log_warn("the replica does not take an attribute, first of '{}': {}; all else is mirrored", path,
           error.message());
}

Location Reconciler::own_entry(const ObjectId& directory) const {
  if (directory == state_.directories.root()) return {directory, {}};
  return state_.directories.where(directory).value_or(Location{});
}

/// An object whose attribute the replica does not take may live on under another name. A session
/// that trusts the replica may not have met it: only a walk finds it then.
void Reconciler::refusal_loses_name(const Location& entry, SequenceNumber recorded) {
  const ObjectId* const noted = state_.refusals.find(entry);
  if (noted == nullptr) return;
  const ObjectId object = *noted;
  if (const auto other = state_.links.any(object); other && *other != entry) {
    return state_.refusals.renamed(entry, *other);
  }
  state_.refusals.gone(entry);
  if (state_.directories.trusting()) state_.owed.add(object, recorded);
}

/// The replica has more than one copy of the object, one of which was refused a name: as long as
/// that is so, whatever name is looked at.
bool Reconciler::stays_split(const ObjectId& object) const {
  return state_.links.is_split(object) && !state_.rights.fidelity.tolerated.contains(Loss::kLinks);
}

/// The entry is equal, but for what the replica does not take of it.
void Reconciler::follow_refusals(const Location& entry, const ObjectId& object,
                                 const Error* refusal) {
  const ObjectId* const noted = state_.refusals.find(entry);
  if (noted != nullptr && *noted != object) {
    refusal_loses_name(entry, state_.intake.last_recorded());
  }
  if (refusal != nullptr) return refuse(entry, object, *refusal);
  if (state_.refusals.contains(entry) && stays_split(object)) return;
  for (const auto& other : state_.refusals.taken(entry)) {
    if (other.object == state_.directories.root()) {
      request_listing(other.object);
    } else {
      request(other.entry, state::kSinceEver);
    }
  }
}

/// After a walk of the directory, and itself. Those of its entries that it does not show have gone.
void Reconciler::follow_refusals_in(const ObjectId& directory, const PassObserver& observer,
                                    const compare::DirectoryResult& result) {
  for (const auto& [name, object] : observer.reconciled_objects()) {
    follow_refusals({directory, name}, object.id(), observer.refusal_of(name));
  }
  follow_refusals(own_entry(directory), directory, observer.refusal_of({}));
  if (state_.refusals.size() == 0) return;
  const auto is_left = [&](const std::string& name) {
    return name.empty() || std::ranges::binary_search(result.deferred, name) ||
           std::ranges::binary_search(result.children, name, {}, &compare::ChildDirectory::name) ||
           std::ranges::binary_search(result.failed, name, {}, &compare::EntryFailure::name) ||
           observer.refusal_of(name) != nullptr;
  };
  for (const std::string& name : state_.refusals.names_in(directory)) {
    if (!is_left(name)) refusal_loses_name({directory, name}, state_.intake.last_recorded());
  }
}

void Reconciler::retry_refusals(const std::vector<state::Refusals::Refused>& some) {
  for (const auto& refused : some) {
    ++entries_.active;
    state_.ring.spawn(retry_refusal(refused));
  }
}

ring::Task<void> Reconciler::retry_refusal(state::Refusals::Refused refused) {
  stream::ClaimSet claims;
  claims.exclusive(stream::object_key(refused.object));
  if (!refused.entry.name.empty()) {
    claims.shared(stream::object_key(refused.entry.parent));
    claims.exclusive(stream::entry_key(refused.entry.parent, refused.entry.name));
  }
  {
    Hold hold(state_);
    co_await hold.acquire(claims);
    co_await set_refused(refused);
  }
  --entries_.active;
  after_work();
}

/// Only what is as it was: a mark, a walk or an operation still to come settles all else.
ring::Task<void> Reconciler::set_refused(const state::Refusals::Refused& refused) {
  const Location& entry = refused.entry;
  if (!state_.refusals.contains(entry) || state_.marks.is_marked(entry)) co_return;
  if (!state_.directories.is_known(entry.parent)) co_return;
  const bool is_directory = state_.directories.contains(refused.object);
  if (is_directory && !state_.directories.is_known(refused.object)) co_return;
  const ObjectId opened = is_directory ? refused.object : entry.parent;
  const auto source = co_await state_.directories.open_source(opened);
  const auto replica = co_await state_.directories.open_replica(opened);
  // Somebody has removed it on the replica: nothing of it would ever be taken.
  const bool gone = is_directory && !replica && compare::means_absent(replica.error().code);
  if (source && gone && !entry.name.empty()) request(entry, state::kSinceEver);
  if (!source || !replica) co_return;
  const std::string name = is_directory ? std::string() : entry.name;
  const auto now = co_await state_.ring.statx((*source)->get(), name.c_str(),
                                              AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
  if (!now || now->id() != refused.object) co_return;
  PassObserver observer(progress_, state_.totals);
  const compare::DirectoryPair pair{opened, (*source)->get(), (*replica)->get()};
  bool done = false;
  if (is_directory) {
    const compare::FinishOptions options{.source = *now, .replica = {}};
    const auto finished = co_await compare::finish_directory(context(observer), pair, entry.name,
                                                             options, compare::Policy());
    done = finished.has_value();
  } else {
    const auto set =
        co_await compare::reconcile_attributes(context(observer), pair, entry.name, *now);
    done = set.has_value();
    if (!done && compare::means_absent(set.error().code)) request(entry, state::kSinceEver);
  }
  if (done) follow_refusals(entry, refused.object, observer.refusal_of(entry.name));
}

}  // namespace mirrorfs::live
