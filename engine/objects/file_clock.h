// Times of files: what stamps them, and what can be said of when.
#pragma once

#include <time.h>

namespace mirrorfs::objects {

/// Whether files below the directory `fd` get their times from this machine's clock, and not from a
/// server's, which may be behind. Any thread.
[[nodiscard]] bool stamps_with_our_clock(int fd);

/// A time before which no change made from now on is stamped by this machine's clock: file times
/// come from a coarser clock that lags behind CLOCK_REALTIME. Any thread.
[[nodiscard]] timespec file_time_now();

}  // namespace mirrorfs::objects
