// Another boot of the machine, as far as programs can tell by its id.
#pragma once

#include "sandbox.h"

namespace mirrorfs::test {

/// While it lives, /proc/sys/kernel/random/boot_id tells another id, in the test's mount namespace.
class PretendedBoot {
 public:
  PretendedBoot();
  PretendedBoot(const PretendedBoot&) = delete;
  PretendedBoot& operator=(const PretendedBoot&) = delete;
  ~PretendedBoot();

 private:
  TempDir directory_;
};

}  // namespace mirrorfs::test
