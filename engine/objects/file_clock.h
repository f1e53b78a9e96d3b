// Which filesystems stamp their files by this machine's clock.
#pragma once

namespace mirrorfs::objects {

/// Whether files below the directory `fd` get their times from this machine's clock, and not from a
/// server's, which may be behind. Any thread.
[[nodiscard]] bool stamps_with_our_clock(int fd);

}  // namespace mirrorfs::objects
