// Objects with several names: the first name met is reconciled like any other object, the further
// ones become links to that object.
#include <cerrno>
#include <optional>

#include "engine/compare/entry.h"
#include "engine/ring/ring.h"

namespace mirrorfs::compare {
namespace {

/// Opens the directory of `place` if the remembered object is still there.
ring::Task<Result<std::shared_ptr<const objects::DirFd>>> find_again(
    const Context& context, const copy::HardlinkMap::Place& place) {
  Result<std::shared_ptr<const objects::DirFd>> directory =
      co_await context.hardlinks.directories().open_replica(place.where.parent);
  if (!directory || context.hardlinks.directories().exclusive()) co_return directory;
  Result<Metadata> there =
      co_await context.ring.statx((*directory)->get(), place.where.name.c_str());
  if (!there) co_return pass_on(std::move(there));
  if (there->id() != place.replica) co_return fail(ENOENT, "statx", place.where.name);
  co_return directory;
}

/// Links the name to the object at `place`; nothing: it is no longer there. EMLINK: the replica's
/// filesystem allows no further name for it.
ring::Task<Result<std::optional<Reconciled>>> link_to(EntryPair& entry,
                                                      const copy::HardlinkMap::Place& place) {
  const Context& context = entry.context;
  if (place.replica && entry.replica && entry.replica->id() == place.replica) {
    co_return Reconciled::kEqual;
  }
  if (entry.replica && entry.replica->type() == entry.source.type()) {
    entry.differs("hard link: not the same object as '" + place.where.name + "'");
  }
  if (entry.policy.dry_run) co_return Reconciled::kChanged;
  Result<std::shared_ptr<const objects::DirFd>> directory = co_await find_again(context, place);
  const int missing = directory ? 0 : directory.error().code;
  if (missing == ENOENT || missing == ESTALE) co_return std::nullopt;
  if (!directory) co_return pass_on(std::move(directory));
  Result<void> linked =
      co_await copy::publish_link(entry.transfer, (*directory)->get(), place.where.name.c_str());
  // ESTALE from here is of a server that is in trouble: a copy would be made at each attempt.
  if (!linked && linked.error().code == ENOENT) co_return std::nullopt;
  if (!linked) co_return pass_on(std::move(linked));
  if (!entry.replica) context.observer.created(entry.name);
  if (entry.replica) context.observer.attributes_set(entry.name);
  co_return Reconciled::kChanged;
}

/// Identity of the replica's object after the entry was reconciled. That of a new object is left
/// out where it will not have to be recognised: no name that was there before can belong to it.
ring::Task<Result<ObjectId>> replica_identity(EntryPair& entry, Reconciled outcome) {
  if (entry.policy.dry_run || outcome == Reconciled::kEqual) {
    co_return entry.replica ? entry.replica->id() : ObjectId{};
  }
  if (!entry.replica && entry.context.hardlinks.directories().exclusive()) co_return ObjectId{};
  Result<Metadata> now =
      co_await entry.context.ring.statx(entry.directory.replica, entry.name.c_str());
  if (!now) co_return pass_on(std::move(now));
  co_return now->id();
}

/// Whether the error of a link says that this object gets no further name on the replica: it has
/// as many as there may be, or there are none.
bool takes_no_more_names(const EntryPair& entry, int code) {
  const Fidelity& fidelity = entry.context.rights.fidelity;
  return code == EMLINK || code == EOPNOTSUPP || code == ENOSYS ||
         (code == EPERM && !fidelity.replica.links);
}

/// A copy of its own is there, or is all that can be, which is accepted.
bool stays_a_copy(const EntryPair& entry, const copy::HardlinkMap::Place& place) {
  const Fidelity& fidelity = entry.context.rights.fidelity;
  if (!fidelity.tolerated.contains(Loss::kLinks)) return false;
  const bool another = entry.replica && entry.replica->type() == entry.source.type() &&
                       entry.replica->id() != place.replica;
  return !fidelity.replica.links || another;
}

/// Links the name to `place`; false: it has to become a copy of its own, and `split` says whether
/// it will stay one.
ring::Task<Result<std::optional<Reconciled>>> try_link(EntryPair& entry,
                                                       const copy::HardlinkMap::Place& place,
                                                       bool& split) {
  split = stays_a_copy(entry, place);
  if (split) co_return std::nullopt;
  Result<std::optional<Reconciled>> linked = co_await link_to(entry, place);
  if (linked) co_return linked;
  split = takes_no_more_names(entry, linked.error().code);
  if (!split) co_return pass_on(std::move(linked));
  co_return std::nullopt;
}

/// Several names of one object are several objects on the replica.
void tell_split(EntryPair& entry) {
  entry.context.observer.names_are_split(entry.source);
  if (entry.context.rights.fidelity.tolerated.contains(Loss::kLinks)) return;
  if (!entry.transfer.refused) {
    entry.transfer.refused = Error{EMLINK, "linkat (it becomes a copy of its own)", {}};
  }
}

}  // namespace

ring::Task<Result<Reconciled>> reconcile_linked(EntryPair& entry) {
  copy::HardlinkMap& links = entry.context.hardlinks;
  const ObjectId source = entry.source.id();
  const copy::HardlinkMap::Lease lease = co_await links.lease(source);
  const std::optional<copy::HardlinkMap::Place> place = links.find(source);
  const Location here{entry.directory.id, entry.name};
  bool split = false;
  if (place && place->where != here) {
    Result<std::optional<Reconciled>> linked = co_await try_link(entry, *place, split);
    if (!linked) co_return pass_on(std::move(linked));
    if (*linked) {
      links.met(source);
      co_return **linked;
    }
  }
  const bool may_share = entry.replica && entry.replica->nlink > 1;
  if (may_share) links.claim(entry.replica->id(), source);
  ring::Task<Result<Reconciled>> first =
      entry.source.is_regular() ? reconcile_file(entry) : reconcile_small(entry);
  Result<Reconciled> outcome = co_await std::move(first);
  if (!outcome || *outcome == Reconciled::kVanished) co_return outcome;
  if (split) tell_split(entry);
  Result<ObjectId> replica = co_await replica_identity(entry, *outcome);
  if (!replica) co_return pass_on(std::move(replica));
  if (may_share && entry.replica->id() != *replica) links.give_up(entry.replica->id(), source);
  links.remember(source, {here, *replica}, entry.source.nlink - 1);
  co_return outcome;
}

}  // namespace mirrorfs::compare
