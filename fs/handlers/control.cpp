// ioctl. There are no handlers for flock and POSIX locks on purpose: without them the kernel keeps
// the locks itself, for all processes on this machine, and no lock of the source is touched.
#include "fs/handlers/handlers.h"

namespace mirrorfs::fs {

// FS_IOC_GETFLAGS and its like arrive here too; ENOTTY is what a filesystem without them says.
void handle_ioctl(FuseRequest& request, Filesystem& fs, fuse_ino_t id, unsigned command, void* arg,
                  fuse_file_info* file, unsigned flags, const void* in, std::size_t in_size,
                  std::size_t out_size) {
  (void)fs, (void)id, (void)command, (void)arg, (void)file, (void)flags;
  (void)in, (void)in_size, (void)out_size;
  request.error(ENOTTY);
}

}  // namespace mirrorfs::fs
