// The clock that stamps what is changed on the replica, which may be a server's, or a coarse one.
#pragma once

#include <time.h>

#include "mirrorfs/error.h"

namespace mirrorfs::journal {

/// What a file that is changed now in the directory gets as its ctime.
[[nodiscard]] Result<timespec> clock_of(int reserved_directory);
/// A later time than the ctime of whatever was changed there before the call, and not later than
/// that of what is changed afterwards: to tell the two apart. Waits for the clock's next tick;
/// where that takes longer than 50 ms, what is changed up to the tick counts as before.
[[nodiscard]] Result<timespec> clock_past(int reserved_directory);

}  // namespace mirrorfs::journal
