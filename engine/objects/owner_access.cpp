#include "engine/objects/owner_access.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "engine/objects/attributes.h"
#include "engine/ring/ring.h"

namespace mirrorfs::objects {

ring::Task<bool> open_up(ring::Ring& ring, int dirfd, Rights rights) {
  if (rights.override_access || dirfd < 0) co_return false;
  Result<Metadata> now = co_await ring.statx(dirfd, "", AT_EMPTY_PATH);
  if (!now || (now->mode & S_IRWXU) == S_IRWXU) co_return false;
  co_return set_mode(dirfd, now->permissions() | S_IRWXU).has_value();
}

}  // namespace mirrorfs::objects
