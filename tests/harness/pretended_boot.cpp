#include "pretended_boot.h"

#include <sys/mount.h>

namespace mirrorfs::test {
namespace {

constexpr const char* kBootId = "/proc/sys/kernel/random/boot_id";

}  // namespace

PretendedBoot::PretendedBoot() {
  const Path id = directory_.path() / "boot_id";
  write_file(id, read_file("/proc/sys/kernel/random/uuid"));
  check(::mount(id.c_str(), kBootId, nullptr, MS_BIND, nullptr), "bind mount", kBootId);
}

PretendedBoot::~PretendedBoot() { ::umount2(kBootId, MNT_DETACH); }

}  // namespace mirrorfs::test
