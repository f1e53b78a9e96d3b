#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <span>
#include <utility>

#include "engine/compare/entry.h"
#include "engine/compare/reconcile.h"
#include "engine/compare/unchanged.h"
#include "engine/copy/copy_on_sight.h"
#include "engine/objects/listing.h"
#include "engine/ring/ring.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::compare {
namespace {

/// Names worked on before a new directory gets its place: an interruption undoes no more work than
/// that.
constexpr std::size_t kMostHidden = 4096;

struct Name {
  std::string name;
  bool in_source = false;
  bool in_replica = false;
  std::uint64_t inode = 0;  ///< in the source, as listed
  unsigned char type = 0;   ///< in the source: DT_*
  unsigned char replica_type = 0;
};

/// Both listings as one; consumes them.
std::vector<Name> merged(std::vector<objects::Dirent>& source,
                         std::vector<objects::Dirent>& replica, bool skip_reserved) {
  std::vector<Name> names;
  names.reserve(std::max(source.size(), replica.size()));
  auto ours = source.begin();
  auto theirs = replica.begin();
  while (ours != source.end() || theirs != replica.end()) {
    const bool take_ours =
        theirs == replica.end() || (ours != source.end() && ours->name <= theirs->name);
    const bool take_theirs =
        ours == source.end() || (theirs != replica.end() && theirs->name <= ours->name);
    Name next{std::move(take_ours ? ours->name : theirs->name), take_ours, take_theirs};
    if (take_ours) next.inode = ours->ino, next.type = ours->type;
    if (take_theirs) next.replica_type = theirs->type;
    if (take_ours) ++ours;
    if (take_theirs) ++theirs;
    if (!skip_reserved || next.name != kReservedName) names.push_back(std::move(next));
  }
  return names;
}

/// Without a look at any: where the listing does not tell the type, the entry's own reconcile sees.
/// Whether the source has any.
bool leave_out_excluded(std::vector<Name>& names, const Context& context,
                        const DirectoryPair& directory) {
  if (context.exclusion == nullptr || context.exclusion->empty()) return false;
  bool any = false;
  const auto type = [](bool there, unsigned char listed) {
    return there && listed != DT_UNKNOWN ? std::optional(listed == DT_DIR) : std::nullopt;
  };
  std::erase_if(names, [&](const Name& item) {
    const bool excluded = context.exclusion->leaves_alone(
        exclude::joined(directory.path, item.name), type(item.in_source, item.type),
        type(item.in_replica, item.replica_type));
    any |= excluded && item.in_source;
    return excluded;
  });
  return any;
}

/// A name, and what is known of it.
struct Job {
  explicit Job(Name name) : item(std::move(name)) {}
  Job(Name name, Known known) : item(std::move(name)), source(std::move(known)) {}
  Name item;
  Known source;
};

struct Work {
  Context context;
  DirectoryPair directory;
  Policy policy;
  const DeferPredicate& defer;
  DirectoryResult result;
  std::vector<Job> put_off;  ///< until the directory is not hidden any more
};

/// The object under a name; one that was not listed needs no statx.
ring::Task<Result<Known>> look(Work& work, bool listed, int dirfd, const char* name) {
  if (!listed) co_return Known{true, std::nullopt};
  Result<Metadata> found = co_await work.context.ring.statx(dirfd, name);
  if (found) co_return Known{true, *found};
  if (found.error().code == ENOENT) co_return Known{true, std::nullopt};
  work.context.observer.failed(name, found.error());
  co_return pass_on(std::move(found));
}

void note_failure(Work& work, std::string&& name, Error&& error) {
  work.result.changed = true;  // it may be half done: the directory's times are set again
  work.result.failed.push_back({std::move(name), std::move(error)});
}

void note_result(Work& work, std::string&& name, EntryResult&& entry) {
  work.result.changed |= entry.changed;
  if (!entry.is_directory || !entry.source) return;
  work.result.children.push_back({.name = std::move(name),
                                  .source = *entry.source,
                                  .replica = entry.replica_directory,
                                  .opened_up = entry.opened_up,
                                  .missing = entry.created_directory && work.policy.dry_run});
}

bool folds_case(const Work& work) { return work.context.rights.fidelity.replica.folds_case; }

/// A name of an object that is in the replica already is linked, not copied.
bool may_copy_on_sight(const Work& work, const Name& item) {
  return work.policy.sight_device == work.directory.id.device && !work.policy.dry_run &&
         !work.defer && item.in_source && !item.in_replica && item.type == DT_REG &&
         !folds_case(work) && !work.context.hardlinks.may_know(item.inode);
}

/// True: done, or put off. Else `source` is what was learned.
ring::Task<bool> copied_on_sight(Work& work, Name& item, Known& source) {
  EntryPair entry(work.context, work.directory, item.name, work.policy);
  Observer& observer = work.context.observer;
  const std::function<void(std::int64_t)> expected = [&observer](std::int64_t bytes) {
    observer.expected(bytes);
  };
  const copy::SightRules rules{work.directory.id, *work.policy.sight_device, expected};
  Result<copy::Sighting> sighting = co_await copy::copy_on_sight(entry.transfer, rules);
  if (!sighting) co_return false;  // reported if it happens again on the ordinary path
  if (sighting->too_large) {
    work.put_off.push_back({std::move(item), {}});
    co_return true;
  }
  if (sighting->seen) source = Known{true, sighting->seen};
  if (!sighting->published) co_return false;
  observer.seen(entry.source);
  observer.created(item.name);
  observer.copied(item.name, sighting->bytes);
  observer.reconciled(item.name, entry.source);
  if (entry.transfer.refused) observer.refused(item.name, *entry.transfer.refused);
  work.result.changed = true;
  co_return true;
}

/// A large file is not copied before its directory has its place: too much would be lost by an
/// interruption.
bool must_put_off(const Work& work, const Known& source) {
  return work.directory.hidden != nullptr && source.metadata && source.metadata->is_regular() &&
         source.metadata->size >= copy::kSmallFile;
}

/// The common case of a sync that finds nothing to do, without a task of its own. Objects with
/// several names are left to reconcile_linked(), which knows the others.
bool is_unchanged_and_equal(const Work& work, const Known& source, const Known& replica) {
  if (!work.directory.unchanged || work.policy.compare != Compare::kQuick) return false;
  if (!source.metadata || !replica.metadata) return false;
  const Metadata& ours = *source.metadata;
  const Metadata& theirs = *replica.metadata;
  return !ours.is_directory() && ours.nlink == 1 && theirs.nlink == 1 &&
         is_unchanged(*work.policy.unchanged_since, ours, theirs) &&
         same_by_metadata(ours, theirs, work.context.rights);
}

ring::Task<void> work_on(Work& work, Job job, ring::Permit permit) {
  const ring::Permit held = std::move(permit);
  Name& item = job.item;
  if (!job.source.looked && may_copy_on_sight(work, item)) {
    const bool done = co_await copied_on_sight(work, item, job.source);
    if (done) co_return;
  }
  Result<Known> source = job.source;
  if (!source->looked) {
    source = co_await look(work, item.in_source, work.directory.source, item.name.c_str());
  }
  if (!source) co_return note_failure(work, std::move(item.name), std::move(source.error()));
  if (must_put_off(work, *source)) {
    work.put_off.push_back({std::move(item), *source});
    co_return;
  }
  Result<Known> replica =
      co_await look(work, item.in_replica, work.directory.replica, item.name.c_str());
  if (!replica) co_return note_failure(work, std::move(item.name), std::move(replica.error()));
  if (work.defer && work.defer(item.name, source->metadata ? &*source->metadata : nullptr,
                               replica->metadata ? &*replica->metadata : nullptr)) {
    work.result.deferred.push_back(std::move(item.name));
    co_return;
  }
  if (replica->metadata && is_mount_point(*replica->metadata)) {
    work.context.observer.replica_is_covered();
  }
  if (is_unchanged_and_equal(work, *source, *replica)) {
    work.context.observer.seen(*source->metadata);
    work.context.observer.reconciled(item.name, *source->metadata);
    co_return;
  }
  ring::Task<Result<EntryResult>> reconciling =
      reconcile_known(work.context, work.directory, item.name, *source, *replica, work.policy);
  Result<EntryResult> entry = co_await std::move(reconciling);
  if (!entry) co_return note_failure(work, std::move(item.name), std::move(entry.error()));
  note_result(work, std::move(item.name), std::move(*entry));
}

/// Works on the names concurrently, and returns when all are done.
template <class Items>
ring::Task<void> work_on_all(Work& work, Items items) {
  ring::TaskGroup group(work.context.ring);
  for (auto& item : items) {
    ring::Permit permit = co_await work.context.limits.objects.acquire();
    if (work.context.limits.pieces.cancelled()) break;
    group.spawn(work_on(work, Job(std::move(item)), std::move(permit)));
    // Two names may be one there.
    if (folds_case(work)) co_await group.join();
  }
  co_await group.join();
}

ring::Task<Result<void>> work_on_directory(Work& work, std::vector<Name> names) {
  std::span<Name> rest(names);
  if (work.directory.hidden != nullptr) {
    const std::span<Name> first = rest.first(std::min(rest.size(), kMostHidden));
    rest = rest.subspan(first.size());
    co_await work_on_all(work, first);
    Result<void> published = co_await work.directory.hidden->publish();
    if (!published) co_return published;
    work.directory.hidden = nullptr;
    co_await work_on_all(work, std::exchange(work.put_off, {}));
  }
  co_await work_on_all(work, rest);
  co_return Result<void>{};
}

}  // namespace

ring::Task<Result<DirectoryResult>> reconcile_directory(Context context, DirectoryPair directory,
                                                        Policy policy, DeferPredicate defer,
                                                        bool skip_reserved) {
  const int others = directory.hidden == nullptr ? directory.replica : -1;
  Result<objects::PairListing> listed =
      co_await objects::list_pair(context.ring, directory.source, others);
  if (!listed) co_return pass_on(std::move(listed));
  Work work{context, directory, policy, defer, {}, {}};
  std::vector<Name> names = merged(listed->source, listed->replica, skip_reserved);
  work.result.left_out = leave_out_excluded(names, context, directory);
  const auto in_source = std::ranges::count_if(names, &Name::in_source);
  context.observer.listed(static_cast<std::size_t>(in_source));
  // What goes makes room for the same name in another case.
  if (folds_case(work)) std::ranges::stable_partition(names, std::logical_not(), &Name::in_source);
  Result<void> worked = co_await work_on_directory(work, std::move(names));
  if (!worked) co_return pass_on(std::move(worked));
  DirectoryResult& result = work.result;
  std::ranges::sort(result.children, {}, &ChildDirectory::name);
  std::ranges::sort(result.deferred);
  std::ranges::sort(result.failed, {}, &EntryFailure::name);
  co_return std::move(result);
}

}  // namespace mirrorfs::compare
