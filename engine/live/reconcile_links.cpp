// Objects with several names: a further name is linked to what the replica has already.
#include <algorithm>

#include "engine/compare/entry.h"
#include "engine/live/pass_observer.h"
#include "engine/live/reconciler.h"

namespace mirrorfs::live {
namespace {

constexpr std::uint32_t kUnknownNumberOfNames = 1U << 30;

}  // namespace

/// A session that trusts the replica has not met all names of an object. One of them cannot be
/// reconciled alone: the others would keep what it had. Where the source has the name no more, or
/// for something else, a directory too, the replica's object tells that what was changed under the
/// name lives on under others.
ring::Task<bool> Reconciler::lacks_names(const Location& entry, const Metadata* source) {
  if (!state_.directories.trusting()) co_return false;
  std::size_t met = 0;
  if (source != nullptr && has_copy(*source)) {
    met = state_.links.count(source->id()) + (state_.links.has(source->id(), entry) ? 0 : 1);
    if (met < source->nlink) co_return true;
  }
  const auto replica = co_await state_.directories.open_replica(entry.parent);
  if (!replica) co_return false;  // the reconcile finds the same
  const auto there = co_await state_.ring.statx((*replica)->get(), entry.name.c_str());
  if (!there || there->is_directory()) co_return false;
  const bool its_own = source != nullptr && state_.links.owner_of(there->id()) == source->id();
  co_return there->nlink > (its_own ? met : 1);
}

/// The replica's object under this name; nothing: it is not there, or of another type.
ring::Task<Result<std::optional<ObjectId>>> Reconciler::look_at_link(const Location& name,
                                                                     const Metadata& source) {
  const auto directory = co_await state_.directories.open_replica(name.parent);
  if (!directory && directory.error().code == ENOENT) co_return std::nullopt;
  if (!directory) co_return std::unexpected(directory.error());
  const auto there = co_await state_.ring.statx((*directory)->get(), name.name.c_str());
  if (!there && there.error().code == ENOENT) co_return std::nullopt;
  if (!there) co_return std::unexpected(there.error());
  if (there->type() != source.type()) co_return std::nullopt;
  co_return there->id();
}

/// Tells the copier where the replica has this object already, if a clean name of it is known, and
/// returns the replica's object; null: there is none. A name that cannot be looked at is not taken
/// for one that is not there: the entry would become an object of its own.
ring::Task<Result<ObjectId>> Reconciler::offer_links(const Location& entry,
                                                     const Metadata& source) {
  const ObjectId id = source.id();
  hardlinks_.forget(id);
  // Names come and go meanwhile. Of an object that the replica has several times, the last is the
  // one that takes further names.
  const bool last_first = state_.links.is_split(id);
  std::size_t index = 0;
  while (const std::optional<Location> name = state_.links.at(id, index, last_first)) {
    const bool clean = *name != entry && state_.directories.is_known(name->parent) &&
                       !state_.marks.is_marked(*name);
    if (!clean) {
      ++index;
      continue;
    }
    const auto there = co_await look_at_link(*name, source);
    if (!there) co_return std::unexpected(there.error());
    if (!*there) {
      request(*name, state::kSinceEver);  // which releases it
      continue;
    }
    hardlinks_.remember(id, {.where = *name, .replica = **there}, kUnknownNumberOfNames);
    co_return **there;
  }
  co_return ObjectId{};
}

/// offer_links() for an entry that is about to be reconciled, whose own object must not be
/// another's where there is none to link to.
ring::Task<Result<ObjectId>> Reconciler::prepare_links(const Location& entry,
                                                       const Metadata& source,
                                                       int replica_directory) {
  if (!has_copy(source) || source.nlink < 2) co_return ObjectId{};
  const auto offered = co_await offer_links(entry, source);
  if (!offered) co_return std::unexpected(offered.error());
  const state::Mark* mark = state_.marks.find(entry);  // none: its directory is given up
  const bool from_walk = mark != nullptr && mark->origin == state::Origin::kWalk;
  if (*offered) co_return *offered;
  const auto detached = co_await detach_shared(entry, source.id(), from_walk, replica_directory);
  if (!detached) co_return std::unexpected(detached.error());
  co_return ObjectId{};
}

/// The name was reconciled: it is one of the object's, and what it was linked to is its copy.
void Reconciler::note_copy(const ObjectId& object, const Location& name) {
  state_.links.add(object, name);
  if (const auto place = hardlinks_.find(object)) state_.links.set_copy(object, place->replica);
}

/// The name is a link to `offered` now, but what marked it may have been lost content. Where it
/// could not be linked it is an object of its own, and the other names have to follow it.
ring::Task<Result<std::optional<Metadata>>> Reconciler::compare_linked(
    const Location& entry, const Metadata& source, const compare::DirectoryPair& pair,
    ObjectId offered) {
  const auto there = co_await state_.ring.statx(pair.replica, entry.name.c_str());
  if (!there) co_return std::unexpected(there.error());
  const ObjectId id = source.id();
  hardlinks_.forget(id);
  hardlinks_.remember(id, {.where = entry, .replica = there->id()}, kUnknownNumberOfNames);
  PassObserver observer(progress_, state_.totals);
  const compare::Policy policy{.compare = compare::Compare::kFull, .same_object = true};
  copy::Limits& limits = is_prompt(entry) ? prompt_limits_ : limits_;
  auto result = co_await compare::reconcile_entry(context(observer, limits), pair, entry.name,
                                                  source, std::nullopt, policy);
  const auto parted = co_await is_parted(entry, pair.replica, offered);
  if (!parted) co_return std::unexpected(parted.error());
  if (*parted && !state_.links.is_split(id)) {
    for (const Location& name : state_.links.all(id)) {
      if (name != entry) request(name, state::kSinceEver);
    }
  }
  if (!result) co_return pass_on(std::move(result));
  if (state_.links.has(id, entry)) note_copy(id, entry);
  follow_refusals(entry, id, observer.refusal_of(entry.name));
  co_return result->source;
}

/// Whether the name is no link to `offered`: it could not be linked, or comparing has replaced it
/// by a file of its own, as it does where the replica's file cannot be opened for writing.
ring::Task<Result<bool>> Reconciler::is_parted(const Location& entry, int replica_directory,
                                               ObjectId offered) {
  const auto there = co_await state_.ring.statx(replica_directory, entry.name.c_str());
  if (!there && there.error().code == ENOENT) co_return true;
  if (!there) co_return std::unexpected(there.error());
  co_return there->id() != offered;
}

/// What stands there under several names may belong to another source object, whose other names are
/// right: it must not be taken for this one and be written to. A walk meets the other names too,
/// but for those of an object that is known to be right elsewhere.
ring::Task<Result<void>> Reconciler::detach_shared(const Location& entry, const ObjectId& source,
                                                   bool from_walk, int replica_directory) {
  const char* name = entry.name.c_str();
  const auto there = co_await state_.ring.statx(replica_directory, name);
  if (!there && compare::means_absent(there.error().code)) co_return Result<void>{};
  if (!there) co_return std::unexpected(there.error());
  if (there->is_directory() || there->nlink < 2) co_return Result<void>{};
  const bool may_be_its_own = state_.links.owner_of(there->id()).value_or(source) == source;
  if (from_walk && may_be_its_own) co_return Result<void>{};
  const auto own_name = co_await is_own_name(entry, replica_directory);
  if (!own_name) co_return std::unexpected(own_name.error());
  if (!*own_name) co_return Result<void>{};
  const auto removed = co_await state_.writer.unlink(replica_directory, name);
  co_return removed;
}

}  // namespace mirrorfs::live
