#include "fs/session/transport.h"

#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <unistd.h>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::fs {

bool kernel_offers_uring() {
  const UniqueFd parameter(
      ::open("/sys/module/fuse/parameters/enable_uring", O_RDONLY | O_CLOEXEC));
  char value = 'N';
  return parameter && ::read(parameter.get(), &value, 1) == 1 && value == 'Y';
}

// Before 3.19 a reply on a ring from another thread than the ring's own races with that thread's
// submissions, and a request that waits is answered so: only with the patch of
// mount-scripts/patches.
bool library_offers_uring() {
#ifdef MIRRORFS_LIBFUSE_RING_REPLIES
  return true;
#else
  return FUSE_VERSION >= FUSE_MAKE_VERSION(3, 19);
#endif
}

Result<Transport> choose_transport(std::string_view option, bool uring_offered) {
  if (option == "dev") return Transport::kDevice;
  if (option == "auto") return uring_offered ? Transport::kUring : Transport::kDevice;
  if (option != "uring") return fail(EINVAL, "transport", option);
  if (!uring_offered) return fail(ENOTSUP, "FUSE over io_uring (fuse module, enable_uring=1)");
  return Transport::kUring;
}

}  // namespace mirrorfs::fs
