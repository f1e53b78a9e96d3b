// Lets ordinary users mount where only root may open /dev/fuse.
#pragma once

#include <memory>

#include "sandbox.h"

namespace mirrorfs::test {

/// As udev does where it runs; in this test's own namespace only.
class DeviceForUsers {
 public:
  DeviceForUsers();
  DeviceForUsers(const DeviceForUsers&) = delete;
  DeviceForUsers& operator=(const DeviceForUsers&) = delete;
  ~DeviceForUsers();

 private:
  TempDir directory_;
  std::unique_ptr<OwnFilesystem> devices_;
};

}  // namespace mirrorfs::test
