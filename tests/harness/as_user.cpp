#include "as_user.h"

#include <grp.h>
#include <unistd.h>

#include <cstdlib>

#include "calls.h"

namespace mirrorfs::test {

AsUser::AsUser(uid_t user) : user_(user) {
  if (user_ == 0) return;
  const gid_t groups[] = {user_, 99};
  check(::setgroups(2, groups), "setgroups", {});
  check(::setegid(user_), "setegid", {});
  check(::seteuid(user_), "seteuid", {});
}

// What follows would be done by somebody else: better not to go on.
AsUser::~AsUser() {
  if (user_ == 0) return;
  const int error = errno;
  if (::seteuid(0) != 0 || ::setegid(0) != 0 || ::setgroups(0, nullptr) != 0) std::abort();
  errno = error;
}

}  // namespace mirrorfs::test
