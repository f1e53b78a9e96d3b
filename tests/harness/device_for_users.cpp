#include "device_for_users.h"

#include <sys/mount.h>
#include <sys/stat.h>

namespace mirrorfs::test {

DeviceForUsers::DeviceForUsers() {
  const struct stat present = stat_of("/dev/fuse");
  if ((present.st_mode & 0006) == 0006) return;
  devices_ =
      std::make_unique<OwnFilesystem>(Filesystem::kTmpfs, directory_.path() / "dev", 1 << 20);
  const Path device = directory_.path() / "dev/fuse";
  make_node(device, S_IFCHR | 0666, present.st_rdev);
  change_mode(device, 0666);
  check(::mount(device.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr), "bind mount", device);
}

DeviceForUsers::~DeviceForUsers() {
  if (devices_) ::umount2("/dev/fuse", MNT_DETACH);
}

}  // namespace mirrorfs::test
