#include "engine/tree/entry.h"

#include <sys/stat.h>

#include <cerrno>

#include "engine/ring/ring.h"

namespace mirrorfs::tree {

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

bool means_vanished(int code) {
  // ELOOP: a symlink now; ENXIO: a socket or a FIFO without reader; ENODEV: a device without
  // driver.
  return code == ENOENT || code == ELOOP || code == ENXIO || code == ENODEV || code == ENOTDIR;
}

bool wrongly_shared(const Entry& entry) {
  if (!entry.replica || entry.replica->nlink <= 1) return false;
  if (entry.source.nlink <= 1) return true;
  const std::optional<ObjectId> owner = entry.context.hardlinks.claimed_by(entry.replica->id());
  return owner && *owner != entry.source.id();
}

ring::Task<Result<Outcome>> update_attributes(Entry& entry, AttributeSet which,
                                              const Xattrs& wanted, const Xattrs& present) {
  Context& context = entry.context;
  Result<UniqueFd> object =
      co_await open_path_at(context.ring, entry.directory.replica, entry.name.c_str());
  if (!object) co_return pass_on(std::move(object));
  Result<void> applied =
      apply_attributes(object->get(), which, entry.source, wanted, present, context.rights);
  if (!applied) co_return pass_on(std::move(applied));
  Result<void> closed = co_await context.ring.close(std::move(*object));
  if (!closed) co_return pass_on(std::move(closed));
  context.observer.attributes_set(entry.name);
  co_return Outcome::kChanged;
}

ring::Task<bool> open_up(Context& context, int dirfd) {
  if (context.rights.override_access || dirfd < 0) co_return false;
  Result<Metadata> now = co_await context.ring.statx(dirfd, "", AT_EMPTY_PATH);
  if (!now || (now->mode & S_IRWXU) == S_IRWXU) co_return false;
  co_return set_mode(dirfd, now->permissions() | S_IRWXU).has_value();
}

}  // namespace mirrorfs::tree
