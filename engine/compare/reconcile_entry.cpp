#include <cerrno>
#include <utility>

#include "engine/compare/entry.h"
#include "engine/compare/reconcile.h"
#include "engine/copy/prune.h"
#include "engine/objects/dir_fd.h"
#include "engine/objects/shortage.h"
#include "engine/ring/ring.h"

namespace mirrorfs::compare {
namespace {

constexpr int kAttempts = 4;

ring::Task<Result<void>> look_if_unknown(ring::Ring& ring, int dirfd, const std::string& name,
                                         Known& side) {
  if (side.looked) co_return Result<void>{};
  side.metadata.reset();
  if (dirfd >= 0) {
    Result<Metadata> found = co_await ring.statx(dirfd, name.c_str());
    if (!found && !means_absent(found.error().code)) co_return pass_on(std::move(found));
    if (found) side.metadata = *found;
  }
  side.looked = true;
  co_return Result<void>{};
}

std::string path_of(const EntryPair& entry) {
  return exclude::joined(entry.directory.path, entry.name);
}

/// Removes the replica's object, whatever its type. False: it is a directory that stays for what is
/// excluded in it, and nothing else is there any more.
ring::Task<Result<bool>> remove_object(EntryPair& entry) {
  const int dirfd = entry.directory.replica;
  if (entry.replica->is_directory()) {
    Result<bool> gone =
        co_await copy::remove_included(entry.copying, dirfd, entry.name, path_of(entry));
    if (!gone || !*gone) co_return gone;
  } else {
    Result<void> gone = co_await entry.context.writer.unlink(dirfd, entry.name.c_str());
    if (!gone && gone.error().code != ENOENT) co_return pass_on(std::move(gone));
  }
  entry.context.observer.removed(entry.name);
  entry.replica.reset();
  co_return true;
}

/// The same where something else has to stand. EISDIR, as of a rename over it: somebody has to
/// clear the way.
ring::Task<Result<void>> make_way(EntryPair& entry) {
  Result<bool> gone = co_await remove_object(entry);
  if (!gone) co_return pass_on(std::move(gone));
  if (*gone) co_return Result<void>{};
  co_return fail(EISDIR, "replace (a directory that holds what is excluded stays there)");
}

/// Whether a directory that the source lacks stays as it is, for what is excluded in it.
ring::Task<Result<bool>> stays_as_it_is(const EntryPair& entry) {
  if (!entry.copying.excludes_anything() || !entry.replica->is_directory()) co_return false;
  Result<copy::Holdings> holds = co_await copy::look_for_excluded(
      entry.copying, entry.directory.replica, entry.name, path_of(entry));
  if (!holds) co_return pass_on(std::move(holds));
  co_return holds->excluded && !holds->others;
}

void tell_missing_or_type(const EntryPair& entry) {
  if (!entry.replica) return entry.differs("missing on the replica");
  entry.differs(std::string("type ") + type_name(entry.source.mode) +
                " != " + type_name(entry.replica->mode));
}

ring::Task<Result<Reconciled>> reconcile_subdirectory(EntryPair& entry, EntryResult& result) {
  const Context& context = entry.context;
  const int dirfd = entry.directory.replica;
  const char* name = entry.name.c_str();
  result.is_directory = true;
  if (entry.replica && entry.replica->is_directory()) {
    result.replica_directory = entry.replica;
    const bool closed = (entry.replica->mode & S_IRWXU) != S_IRWXU;
    if (!closed || entry.policy.dry_run || context.rights.override_access) {
      co_return Reconciled::kEqual;
    }
    Result<UniqueFd> object = co_await objects::open_path_at(context.ring, dirfd, name);
    if (!object) co_return pass_on(std::move(object));
    Result<void> opened =
        context.writer.set_mode(object->get(), entry.replica->permissions() | S_IRWXU);
    if (!opened) co_return pass_on(std::move(opened));
    result.opened_up = true;
    co_return Reconciled::kEqual;
  }
  tell_missing_or_type(entry);
  result.created_directory = true;
  if (entry.policy.dry_run) co_return Reconciled::kChanged;
  if (entry.replica) {
    Result<void> removed = co_await make_way(entry);
    if (!removed) co_return pass_on(std::move(removed));
  }
  if (!entry.policy.hide_new_directories) {
    Result<void> made = co_await context.writer.make_directory(dirfd, name, 0700);
    if (!made) co_return pass_on(std::move(made));
  }
  context.observer.created(entry.name);
  co_return Reconciled::kChanged;
}

ring::Task<Result<Reconciled>> reconcile_object(EntryPair& entry) {
  if (entry.replica && entry.replica->type() != entry.source.type()) {
    tell_missing_or_type(entry);
    if (entry.policy.dry_run) co_return Reconciled::kChanged;
    // A directory has to be removed first; everything else is replaced by the rename that
    // publishes.
    if (entry.replica->is_directory()) {
      Result<void> removed = co_await make_way(entry);
      if (!removed) co_return pass_on(std::move(removed));
    }
  } else if (!entry.replica) {
    tell_missing_or_type(entry);
  }
  if (entry.source.nlink > 1) {
    ring::Task<Result<Reconciled>> linked = reconcile_linked(entry);
    co_return co_await std::move(linked);
  }
  ring::Task<Result<Reconciled>> single =
      entry.source.is_regular() ? reconcile_file(entry) : reconcile_small(entry);
  co_return co_await std::move(single);
}

ring::Task<Result<Reconciled>> remove_extraneous(EntryPair& entry) {
  if (!entry.replica) co_return Reconciled::kEqual;
  Result<bool> stays = co_await stays_as_it_is(entry);
  if (!stays) co_return pass_on(std::move(stays));
  if (*stays) co_return Reconciled::kEqual;
  entry.differs("extraneous");
  if (entry.policy.dry_run) co_return Reconciled::kChanged;
  Result<bool> removed = co_await remove_object(entry);
  if (!removed) co_return pass_on(std::move(removed));
  co_return Reconciled::kChanged;
}

/// Policy::same_object: the one that was looked at first; null: there was none.
Result<void> check_same(const EntryPair& entry, const Known& source,
                        std::optional<ObjectId>& looked_at) {
  const ObjectId now = source.metadata ? source.metadata->id() : ObjectId{};
  if (!looked_at) looked_at = now;
  if (!entry.policy.same_object || *looked_at == now) return {};
  return fail(EBUSY, "reconcile (the name has changed hands)", entry.name);
}

bool is_left_alone(const EntryPair& entry, const Known& source) {
  if (!entry.copying.excludes_anything()) return false;
  const auto type = [](const std::optional<Metadata>& side) {
    return side ? std::optional(side->is_directory()) : std::nullopt;
  };
  return entry.context.exclusion->leaves_alone(path_of(entry), type(source.metadata),
                                               type(entry.replica));
}

/// One attempt: looks at what is not known, then does what the source's type requires.
ring::Task<Result<Reconciled>> attempt(EntryPair& entry, Known source, Known replica,
                                       std::optional<ObjectId>& object, EntryResult& result) {
  const Context& context = entry.context;
  const DirectoryPair& directory = entry.directory;
  Result<void> looked =
      co_await look_if_unknown(context.ring, directory.source, entry.name, source);
  if (!looked) co_return pass_on(std::move(looked));
  const bool first = !object;
  Result<void> same = check_same(entry, source, object);
  if (!same) co_return pass_on(std::move(same));
  const bool listed = replica.looked && replica.metadata;
  looked = co_await look_if_unknown(context.ring, directory.replica, entry.name, replica);
  if (!looked) co_return pass_on(std::move(looked));
  if (context.rights.fidelity.replica.folds_case && !listed) {
    looked = co_await settle_case(entry, source, replica);
    if (!looked) co_return pass_on(std::move(looked));
  }
  result = EntryResult{};
  entry.transfer.refused.reset();
  entry.replica = replica.metadata;
  if (context.boundaries != nullptr &&
      context.boundaries->leaves_alone(directory.source, directory.id, entry.name,
                                       source.metadata ? &*source.metadata : nullptr)) {
    co_return Reconciled::kEqual;
  }
  if (is_left_alone(entry, source)) co_return Reconciled::kEqual;
  result.source = source.metadata;
  if (!source.metadata) {
    ring::Task<Result<Reconciled>> removal = remove_extraneous(entry);
    co_return co_await std::move(removal);
  }
  entry.source = *source.metadata;
  if (first) context.observer.seen(entry.source);
  if (context.rights.fidelity.leaves_out_type(entry.source.mode)) {
    ring::Task<Result<Reconciled>> removal = remove_extraneous(entry);
    co_return co_await std::move(removal);
  }
  ring::Task<Result<Reconciled>> work =
      entry.source.is_directory() ? reconcile_subdirectory(entry, result) : reconcile_object(entry);
  co_return co_await std::move(work);
}

/// Not even root may change what is immutable or append-only: then that is the cause to report.
ring::Task<void> explain_denial(const EntryPair& entry, Error& error) {
  constexpr std::uint64_t kFixed = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
  if (error.code != EPERM || entry.directory.replica < 0) co_return;
  ring::Ring& ring = entry.context.ring;
  const Result<Metadata> parent = co_await ring.statx(entry.directory.replica, "", AT_EMPTY_PATH);
  const Result<Metadata> object = co_await ring.statx(entry.directory.replica, entry.name.c_str());
  const bool fixed = (parent && (parent->attributes & kFixed) != 0) ||
                     (object && (object->attributes & kFixed) != 0);
  if (fixed) error.operation = "change (immutable or append-only on the replica, see chattr)";
}

bool is_denied(const Result<Reconciled>& outcome) {
  return !outcome && (outcome.error().code == EACCES || outcome.error().code == EPERM);
}

}  // namespace

ring::Task<Result<EntryResult>> reconcile_known(Context context, DirectoryPair directory,
                                                std::string name, Known source, Known replica,
                                                Policy policy) {
  EntryPair entry(context, directory, name, policy);
  if (context.exclusion != nullptr && context.exclusion->hides_content(path_of(entry))) {
    policy.compare = Compare::kFull;
  }
  EntryResult result;
  Result<Reconciled> outcome = Reconciled::kVanished;
  bool opened_parent = false;
  objects::Shortages shortages;
  std::optional<ObjectId> object;
  for (int tries = 0; tries < kAttempts; ++tries) {
    ring::Task<Result<Reconciled>> one =
        attempt(entry, std::exchange(source, {}), std::exchange(replica, {}), object, result);
    outcome = co_await std::move(one);
    if (!outcome && objects::is_shortage(outcome.error().code)) {
      // With fewer objects in flight there will be enough.
      context.limits.objects.shrink(copy::Limits::kFewestObjects);
      const bool again = co_await objects::wait_out(context.ring, shortages);
      if (!again) break;
      tries = 0;
      continue;
    }
    if (is_denied(outcome) && !policy.dry_run && !opened_parent) {
      opened_parent = co_await context.writer.open_up(directory.replica, context.rights);
      if (opened_parent) continue;
    }
    if (!outcome || *outcome != Reconciled::kVanished) break;
  }
  if (outcome && *outcome == Reconciled::kVanished) {
    outcome = fail(EBUSY, "copy (the source keeps changing)", name);
  }
  if (!outcome) {
    if (outcome.error().name.empty()) outcome.error().name = name;
    co_await explain_denial(entry, outcome.error());
    context.observer.failed(name, outcome.error());
    co_return pass_on(std::move(outcome));
  }
  if (result.source) {
    if (!result.is_directory) result.source = entry.source;
    context.observer.reconciled(name, *result.source);
    if (entry.transfer.refused) {
      co_await explain_denial(entry, *entry.transfer.refused);
      context.observer.refused(name, *entry.transfer.refused);
    }
  }
  result.changed = *outcome == Reconciled::kChanged || opened_parent;
  co_return result;
}

ring::Task<Result<EntryResult>> reconcile_entry(Context context, DirectoryPair directory,
                                                std::string name,
                                                std::optional<Metadata> known_source,
                                                std::optional<Metadata> known_replica,
                                                Policy policy) {
  const Known source{known_source.has_value(), known_source};
  const Known replica{known_replica.has_value(), known_replica};
  return reconcile_known(context, directory, std::move(name), source, replica, policy);
}

}  // namespace mirrorfs::compare
