#include "engine/compare/entry.h"

#include <sys/stat.h>

#include <cerrno>

#include "engine/ring/ring.h"

namespace mirrorfs::compare {

const char* type_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    case S_IFCHR: return "character device";
    case S_IFBLK: return "block device";
    default: return "unknown";
  }
}

bool means_absent(int code) {
  return code == ENOENT || code == ENAMETOOLONG || code == EINVAL || code == EILSEQ;
}

bool wrongly_shared(const EntryPair& entry) {
  if (!entry.replica || entry.replica->nlink <= 1) return false;
  if (entry.source.nlink <= 1) return true;
  const std::optional<ObjectId> owner = entry.context.hardlinks.claimed_by(entry.replica->id());
  return owner && *owner != entry.source.id();
}

ring::Task<Result<bool>> is_still_there(const EntryPair& entry) {
  if (!entry.policy.same_object) co_return true;
  Result<Metadata> now =
      co_await entry.context.ring.statx(entry.directory.source, entry.name.c_str());
  if (now) co_return now->id() == entry.source.id();
  if (means_absent(now.error().code)) co_return false;
  co_return pass_on(std::move(now));
}

ring::Task<Result<Reconciled>> correct_attributes(EntryPair& entry, objects::AttributeSet which,
                                                  const objects::Xattrs& wanted,
                                                  const objects::Xattrs& present) {
  Result<bool> same = co_await is_still_there(entry);
  if (!same) co_return pass_on(std::move(same));
  if (!*same) co_return Reconciled::kVanished;
  Result<void> updated = co_await copy::update_attributes(entry.transfer, which, wanted, present);
  if (!updated) co_return pass_on(std::move(updated));
  entry.context.observer.attributes_set(entry.name);
  co_return Reconciled::kChanged;
}

ring::Task<Result<void>> reconcile_attributes(Context context, DirectoryPair directory,
                                              std::string name, Metadata source) {
  const Policy policy{.same_object = true};
  EntryPair entry(context, directory, name, policy);
  entry.source = source;
  Result<Metadata> replica = co_await context.ring.statx(directory.replica, name.c_str());
  if (!replica) co_return pass_on(std::move(replica));
  if (replica->type() != source.type()) co_return fail(ENOENT, "statx", name);
  Result<objects::Xattrs> wanted =
      objects::read_xattrs_at(directory.source, name.c_str(), context.rights);
  if (!wanted) co_return pass_on(std::move(wanted));
  Result<objects::Xattrs> present =
      objects::read_xattrs_at(directory.replica, name.c_str(), context.rights);
  if (!present) co_return pass_on(std::move(present));
  const objects::AttributeSet which =
      objects::differing(source, *wanted, *replica, *present, context.rights);
  if (!which.any()) co_return Result<void>{};
  Result<bool> same = co_await is_still_there(entry);
  if (!same) co_return pass_on(std::move(same));
  if (!*same) co_return fail(ENOENT, "statx", name);
  Result<void> updated = co_await copy::update_attributes(entry.transfer, which, *wanted, *present);
  if (updated && entry.transfer.refused) context.observer.refused(name, *entry.transfer.refused);
  co_return updated;
}

}  // namespace mirrorfs::compare
