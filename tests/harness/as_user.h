// Another identity for a while.
#pragma once

#include <sys/types.h>

namespace mirrorfs::test {

/// The effective user, group and supplementary groups (its own and 99) of the whole process are
/// another's; root's again when it ends. For processes of root with one working thread. Nothing
/// happens for user 0.
class AsUser {
 public:
  explicit AsUser(uid_t user);
  AsUser(const AsUser&) = delete;
  AsUser& operator=(const AsUser&) = delete;
  ~AsUser();

 private:
  uid_t user_;
};

}  // namespace mirrorfs::test
