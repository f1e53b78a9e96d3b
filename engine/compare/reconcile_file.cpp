// Regular files: what differs, and which of the three ways removes it.
#include <fcntl.h>
#include <fmt/core.h>

#include <cerrno>

#include "engine/compare/entry.h"
#include "engine/copy/content.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/ring.h"

namespace mirrorfs::compare {
namespace {

struct FileDifference {
  objects::Xattrs source_xattrs, replica_xattrs;
  objects::AttributeSet attributes;
  bool size = false;
  bool content = false;  ///< known or, in a quick compare, presumed from size and mtime
  bool shared = false;   ///< linked on the replica with what it must not be linked with
};

/// `since` zero: never.
bool happened_since(const timespec& time, const timespec& since) {
  return (since.tv_sec != 0 || since.tv_nsec != 0) && !is_before(time, since);
}

/// Whether what the page cache has of the replica's file may never have reached the disk.
bool must_reread(const EntryPair& entry) {
  return happened_since(entry.replica->ctime, entry.policy.reread_since);
}

/// Somebody else changed the replica's file: whatever its size and mtime say now.
bool is_foreign(const EntryPair& entry) { return entry.context.writer.keeps(*entry.replica); }

/// Whether to read both files where size and mtime do not decide it.
bool must_compare_content(const EntryPair& entry) {
  return entry.policy.compare == Compare::kFull || must_reread(entry) || is_foreign(entry) ||
         happened_since(entry.source.ctime, entry.policy.changed_since);
}

ring::Task<Result<bool>> same_content(EntryPair& entry) {
  ring::Ring& ring = entry.context.ring;
  const char* name = entry.name.c_str();
  Result<UniqueFd> source = co_await objects::open_for_reading(ring, entry.directory.source, name);
  if (!source) co_return pass_on(std::move(source));
  Result<UniqueFd> replica =
      co_await objects::open_for_reading(ring, entry.directory.replica, name);
  // An ordinary user's own file without read permission: not comparable, so replaced.
  if (!replica && replica.error().code == EACCES && !entry.policy.dry_run) co_return false;
  if (!replica) co_return pass_on(std::move(replica));
  if (must_reread(entry)) {
    Result<void> dropped = co_await ring.fadvise(replica->get(), {0, 0}, POSIX_FADV_DONTNEED);
    if (!dropped) co_return pass_on(std::move(dropped));
  }
  Result<bool> same = co_await copy::compare_content(
      ring, source->get(), replica->get(), entry.source.size, entry.context.limits.pieces);
  Result<void> closed = co_await ring.close(std::move(*source));
  if (!closed) co_return pass_on(std::move(closed));
  closed = co_await ring.close(std::move(*replica));
  if (!closed) co_return pass_on(std::move(closed));
  co_return same;
}

ring::Task<Result<FileDifference>> compare_file(EntryPair& entry) {
  const objects::Rights rights = entry.context.rights;
  const char* name = entry.name.c_str();
  FileDifference found;
  Result<objects::Xattrs> ours = objects::read_xattrs_at(entry.directory.source, name, rights);
  if (!ours) co_return pass_on(std::move(ours));
  Result<objects::Xattrs> theirs = objects::read_xattrs_at(entry.directory.replica, name, rights);
  if (!theirs) co_return pass_on(std::move(theirs));
  found.source_xattrs = std::move(*ours);
  found.replica_xattrs = std::move(*theirs);
  found.attributes = objects::differing(entry.source, found.source_xattrs, *entry.replica,
                                        found.replica_xattrs, rights);
  found.shared = wrongly_shared(entry);
  found.size = entry.source.size != entry.replica->size;
  if (found.size) {
    found.content = true;
  } else if (must_compare_content(entry)) {
    Result<bool> same = co_await same_content(entry);
    if (!same) co_return pass_on(std::move(same));
    found.content = !*same;
  } else {
    found.content = objects::times_tell_a_change(entry.source, *entry.replica, rights);
  }
  co_return found;
}

std::string describe(const FileDifference& found, const EntryPair& entry) {
  std::string text;
  const auto add = [&text](const std::string& what) {
    if (!text.empty()) text += ", ";
    text += what;
  };
  if (found.size) {
    add(fmt::format("size {} != {}", entry.source.size, entry.replica->size));
  } else if (found.content && must_compare_content(entry)) {
    add("content");
  }
  if (found.attributes.any()) add(describe(found.attributes, entry.source, *entry.replica));
  if (found.shared) add("hard link: shares its file with another name on the replica");
  return text;
}

/// Where the object must stay the same (other names) or copying all of it is expensive.
bool wants_update_in_place(const EntryPair& entry) {
  if (!entry.policy.update_in_place || is_foreign(entry)) return false;
  return entry.replica->nlink > 1 ||
         (entry.source.size >= copy::kUpdateInPlace && entry.replica->size > 0);
}

/// Reports what was written.
Result<Reconciled> told(const EntryPair& entry, Result<copy::WrittenOrVanished> result) {
  if (!result) return pass_on(std::move(result));
  if (!*result) return Reconciled::kVanished;
  const copy::Written& written = **result;
  Observer& observer = entry.context.observer;
  if (written.published && !entry.replica) observer.created(entry.name);
  if (written.published || written.bytes > 0) {
    observer.copied(entry.name, written.bytes);
  } else {
    observer.attributes_set(entry.name);
  }
  return Reconciled::kChanged;
}

}  // namespace

ring::Task<Result<Reconciled>> reconcile_file(EntryPair& entry) {
  if (!entry.replica || !entry.replica->is_regular()) {
    if (entry.policy.dry_run) co_return Reconciled::kChanged;
    Result<copy::WrittenOrVanished> fresh = co_await copy::publish_file(entry.transfer);
    co_return told(entry, std::move(fresh));
  }
  Result<FileDifference> found = co_await compare_file(entry);
  if (!found) {
    if (objects::means_vanished(found.error().code)) co_return Reconciled::kVanished;
    co_return pass_on(std::move(found));
  }
  if (!found->content && !found->attributes.any() && !found->shared) {
    if (!must_compare_content(entry)) co_return Reconciled::kEqual;
    Result<bool> same = co_await is_still_there(entry);
    if (!same) co_return pass_on(std::move(same));
    co_return *same ? Reconciled::kEqual : Reconciled::kVanished;
  }
  entry.differs(describe(*found, entry));
  if (entry.policy.dry_run) co_return Reconciled::kChanged;
  if (!found->content && !found->shared) {
    Result<Reconciled> updated = co_await correct_attributes(
        entry, found->attributes, found->source_xattrs, found->replica_xattrs);
    co_return updated;
  }
  const bool in_place = !found->shared && wants_update_in_place(entry);
  ring::Task<Result<copy::WrittenOrVanished>> work =
      in_place ? copy::update_file(entry.transfer) : copy::publish_file(entry.transfer);
  Result<copy::WrittenOrVanished> written = co_await std::move(work);
  co_return told(entry, std::move(written));
}

}  // namespace mirrorfs::compare
