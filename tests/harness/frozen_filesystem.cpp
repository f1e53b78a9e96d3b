#include "frozen_filesystem.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

namespace mirrorfs::test {

FrozenFilesystem::FrozenFilesystem(const Path& place)
    : directory_(open_file(place, O_RDONLY | O_DIRECTORY)) {
  check(::ioctl(directory_.get(), FIFREEZE, 0), "freeze", place);
}

FrozenFilesystem::~FrozenFilesystem() { ::ioctl(directory_.get(), FITHAW, 0); }

}  // namespace mirrorfs::test
