#include "engine/compare/entry.h"

#include <sys/stat.h>

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

bool wrongly_shared(const EntryPair& entry) {
  if (!entry.replica || entry.replica->nlink <= 1) return false;
  if (entry.source.nlink <= 1) return true;
  const std::optional<ObjectId> owner = entry.context.hardlinks.claimed_by(entry.replica->id());
  return owner && *owner != entry.source.id();
}

ring::Task<Result<Reconciled>> correct_attributes(EntryPair& entry, objects::AttributeSet which,
                                                  const objects::Xattrs& wanted,
                                                  const objects::Xattrs& present) {
  Result<void> updated = co_await copy::update_attributes(entry.transfer, which, wanted, present);
  if (!updated) co_return pass_on(std::move(updated));
  entry.context.observer.attributes_set(entry.name);
  co_return Reconciled::kChanged;
}

}  // namespace mirrorfs::compare
