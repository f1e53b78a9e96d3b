// Symlinks, FIFOs, sockets and devices: small enough to be rebuilt whenever more than attributes
// differ.
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/core.h>

#include <cerrno>
#include <climits>

#include "engine/compare/entry.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/ring.h"

namespace mirrorfs::compare {
namespace {

Result<std::string> read_target(int dirfd, const char* name) {
  std::string target(PATH_MAX, '\0');  // the kernel's limit includes the terminator
  const ssize_t size = ::readlinkat(dirfd, name, target.data(), target.size());
  if (size < 0) return fail_errno("readlinkat", name);
  target.resize(static_cast<std::size_t>(size));
  return target;
}

bool is_device(const Metadata& object) { return S_ISCHR(object.mode) || S_ISBLK(object.mode); }

struct SmallDifference {
  std::string target;  ///< of the source's symlink
  objects::Xattrs source_xattrs, replica_xattrs;
  objects::AttributeSet attributes;
  bool rebuild = false;
  std::string what;

  void add(std::string_view text) {
    if (!what.empty()) what += ", ";
    what += text;
  }
};

Result<void> compare_identity(const EntryPair& entry, SmallDifference& found) {
  if (entry.source.is_symlink()) {
    Result<std::string> theirs = read_target(entry.directory.replica, entry.name.c_str());
    if (!theirs) return pass_on(std::move(theirs));
    if (*theirs != found.target) found.rebuild = true, found.add("link target");
  }
  if (is_device(entry.source) && entry.source.rdev != entry.replica->rdev) {
    found.rebuild = true;
    found.add(fmt::format("device {}:{} != {}:{}", major(entry.source.rdev),
                          minor(entry.source.rdev), major(entry.replica->rdev),
                          minor(entry.replica->rdev)));
  }
  if (wrongly_shared(entry)) {
    found.rebuild = true;
    found.add("hard link: shares its object with another name on the replica");
  }
  return {};
}

Result<SmallDifference> compare_small(const EntryPair& entry) {
  const objects::Rights rights = entry.context.rights;
  const char* name = entry.name.c_str();
  SmallDifference found;
  if (entry.source.is_symlink()) {
    Result<std::string> target = read_target(entry.directory.source, name);
    if (!target) return pass_on(std::move(target));
    found.target = std::move(*target);
  }
  Result<objects::Xattrs> ours = objects::read_xattrs_at(entry.directory.source, name, rights);
  if (!ours) return pass_on(std::move(ours));
  found.source_xattrs = std::move(*ours);
  if (!entry.replica || entry.replica->type() != entry.source.type()) {
    found.rebuild = true;
    return found;
  }
  Result<objects::Xattrs> theirs = objects::read_xattrs_at(entry.directory.replica, name, rights);
  if (!theirs) return pass_on(std::move(theirs));
  found.replica_xattrs = std::move(*theirs);
  Result<void> identity = compare_identity(entry, found);
  if (!identity) return pass_on(std::move(identity));
  found.attributes = objects::differing(entry.source, found.source_xattrs, *entry.replica,
                                        found.replica_xattrs, rights);
  if (found.attributes.any()) {
    found.add(describe(found.attributes, entry.source, *entry.replica));
  }
  return found;
}

ring::Task<Result<Reconciled>> rebuild(EntryPair& entry, const SmallDifference& found) {
  Result<void> published =
      co_await copy::publish_small(entry.transfer, found.target, found.source_xattrs);
  if (!published) co_return pass_on(std::move(published));
  if (!entry.replica) entry.context.observer.created(entry.name);
  if (entry.replica) entry.context.observer.attributes_set(entry.name);
  co_return Reconciled::kChanged;
}

}  // namespace

ring::Task<Result<Reconciled>> reconcile_small(EntryPair& entry) {
  Result<SmallDifference> found = compare_small(entry);
  if (!found) {
    // EINVAL: it is no longer a symlink.
    const int code = found.error().code;
    if (objects::means_vanished(code) || code == EINVAL) co_return Reconciled::kVanished;
    co_return pass_on(std::move(found));
  }
  if (!found->rebuild && !found->attributes.any()) {
    if (entry.policy.compare != Compare::kFull) co_return Reconciled::kEqual;
    Result<bool> same = co_await is_still_there(entry);
    if (!same) co_return pass_on(std::move(same));
    co_return *same ? Reconciled::kEqual : Reconciled::kVanished;
  }
  if (!found->what.empty()) entry.differs(found->what);
  if (entry.policy.dry_run) co_return Reconciled::kChanged;
  if (!found->rebuild) {
    Result<Reconciled> updated = co_await correct_attributes(
        entry, found->attributes, found->source_xattrs, found->replica_xattrs);
    co_return updated;
  }
  Result<bool> same = co_await is_still_there(entry);
  if (!same) co_return pass_on(std::move(same));
  if (!*same) co_return Reconciled::kVanished;
  Result<Reconciled> built = co_await rebuild(entry, *found);
  co_return built;
}

}  // namespace mirrorfs::compare
