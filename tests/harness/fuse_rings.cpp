#include "fuse_rings.h"

#include <sys/file.h>

#include <string>

#include "calls.h"

namespace mirrorfs::test {
namespace {

constexpr const char* kParameter = "/sys/module/fuse/parameters/enable_uring";
// Shared by those that need rings. Its content is what the parameter was before the first of them.
constexpr const char* kLock = "/run/mirrorfs-test-fuse-rings";

}  // namespace

bool FuseRings::exist() { return is_there(kParameter); }

FuseRings::FuseRings() : lock_(open_file(kLock, O_RDWR | O_CREAT, 0600)) {
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) write_file(kLock, read_file(kParameter));
  check(::flock(lock_.get(), LOCK_SH), "flock", kLock);
  write_file(kParameter, "Y");
}

FuseRings::~FuseRings() {
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) return;
  const std::string before = read_file(kLock);
  if (!before.empty()) write_file(kParameter, before);
}

}  // namespace mirrorfs::test
