#include <dirent.h>

#include <algorithm>
#include <cerrno>

#include "engine/ring/ring.h"
#include "engine/tree/entry.h"
#include "engine/tree/listing.h"
#include "engine/tree/reconcile.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::tree {
namespace {

struct Name {
  std::string name;
  bool in_source = false;
  bool in_replica = false;
  std::uint64_t inode = 0;  ///< in the source, as listed
  unsigned char type = 0;   ///< in the source: DT_*
};

/// Both listings as one; consumes them.
std::vector<Name> merged(std::vector<Dirent>& source, std::vector<Dirent>& replica,
                         bool skip_reserved) {
  std::vector<Name> names;
  names.reserve(std::max(source.size(), replica.size()));
  auto ours = source.begin();
  auto theirs = replica.begin();
  while (ours != source.end() || theirs != replica.end()) {
    const bool take_ours =
        theirs == replica.end() || (ours != source.end() && ours->name <= theirs->name);
    const bool take_theirs =
        ours == source.end() || (theirs != replica.end() && theirs->name <= ours->name);
    Name next{std::move(take_ours ? ours->name : theirs->name), take_ours, take_theirs, 0, 0};
    if (take_ours) next.inode = ours->ino, next.type = ours->type;
    if (take_ours) ++ours;
    if (take_theirs) ++theirs;
    if (!skip_reserved || next.name != kReservedName) names.push_back(std::move(next));
  }
  return names;
}

struct Work {
  Context context;
  DirectoryPair directory;
  Policy policy;
  const DeferPredicate& defer;
  DirectoryResult result;
};

/// What stands under a listed name: nothing is asked for where the listing has it not.
ring::Task<Result<Known>> look(Work& work, bool listed, int dirfd, const char* name) {
  if (!listed) co_return Known{true, std::nullopt};
  Result<Metadata> found = co_await work.context.ring.statx(dirfd, name);
  if (found) co_return Known{true, *found};
  if (found.error().code == ENOENT) co_return Known{true, std::nullopt};
  work.context.observer.failed(name, found.error());
  co_return pass_on(std::move(found));
}

void note_failure(Work& work, std::string&& name, Error&& error) {
  work.result.changed = true;  // it may have got halfway: the directory's times are set anew
  work.result.failed.push_back({std::move(name), std::move(error)});
}

void note_result(Work& work, std::string&& name, EntryResult&& entry) {
  work.result.changed |= entry.changed;
  if (!entry.is_directory) return;
  work.result.children.push_back({.name = std::move(name),
                                  .source = *entry.source,
                                  .replica = entry.replica_directory,
                                  .opened_up = entry.opened_up,
                                  .missing = entry.created_directory && work.policy.dry_run});
}

/// A name of an object that stands in the replica already is linked, not copied.
bool may_copy_on_sight(const Work& work, const Name& item) {
  return work.policy.sight_device == work.directory.id.device && !work.policy.dry_run &&
         !work.defer && item.in_source && !item.in_replica && item.type == DT_REG &&
         !work.context.hardlinks.may_know(item.inode);
}

/// True: done. Else `source` is what was learned.
ring::Task<bool> copied_on_sight(Work& work, const std::string& name, Known& source) {
  Entry entry{work.context, work.directory, name, work.policy, {}, {}};
  Result<Sighting> sighting = co_await copy_on_sight(entry);
  if (!sighting) co_return false;  // told when it happens again, on the ordinary way
  if (sighting->seen) source = Known{true, sighting->seen};
  work.result.changed |= sighting->published;
  co_return sighting->published;
}

ring::Task<void> work_on(Work& work, Name item, ring::Permit permit) {
  const ring::Permit held = std::move(permit);
  const char* name = item.name.c_str();
  Known seen;
  if (may_copy_on_sight(work, item)) {
    const bool done = co_await copied_on_sight(work, item.name, seen);
    if (done) co_return;
  }
  Result<Known> source = seen;
  if (!seen.looked) {
    source = co_await look(work, item.in_source, work.directory.source, name);
  }
  if (!source) co_return note_failure(work, std::move(item.name), std::move(source.error()));
  if (source->metadata && work.defer && work.defer(item.name, *source->metadata)) {
    work.result.deferred.push_back(std::move(item.name));
    co_return;
  }
  Result<Known> replica = co_await look(work, item.in_replica, work.directory.replica, name);
  if (!replica) co_return note_failure(work, std::move(item.name), std::move(replica.error()));
  ring::Task<Result<EntryResult>> task =
      reconcile_known(work.context, work.directory, item.name, *source, *replica, work.policy);
  Result<EntryResult> entry = co_await std::move(task);
  if (!entry) co_return note_failure(work, std::move(item.name), std::move(entry.error()));
  note_result(work, std::move(item.name), std::move(*entry));
}

}  // namespace

ring::Task<Result<DirectoryResult>> reconcile_directory(Context context, DirectoryPair directory,
                                                        Policy policy, DeferPredicate defer,
                                                        bool skip_reserved) {
  Result<std::vector<Dirent>> ours = co_await list_directory(context.ring, directory.source);
  if (!ours) co_return pass_on(std::move(ours));
  context.observer.listed(ours->size());
  Result<std::vector<Dirent>> theirs{std::vector<Dirent>{}};
  if (directory.replica >= 0) {
    theirs = co_await list_directory(context.ring, directory.replica);
    if (!theirs) co_return pass_on(std::move(theirs));
  }
  std::vector<Name> names = merged(*ours, *theirs, skip_reserved);
  Work work{context, directory, policy, defer, {}};
  ring::TaskGroup group(context.ring);
  for (Name& name : names) {
    ring::Permit permit = co_await context.limits.entries.acquire();
    group.spawn(work_on(work, std::move(name), std::move(permit)));
  }
  co_await group.join();
  DirectoryResult& result = work.result;
  std::ranges::sort(result.children, {}, &ChildDirectory::name);
  std::ranges::sort(result.deferred);
  std::ranges::sort(result.failed, {}, &EntryFailure::name);
  co_return std::move(result);
}

}  // namespace mirrorfs::tree
