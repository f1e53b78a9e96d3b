#include "engine/journal/replica_clock.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "mirrorfs/metadata.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

Result<timespec> clock_of(int reserved_directory) {
  const UniqueFd file(::openat(reserved_directory, "clock",
                               O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!file) return fail_errno("open", "clock");
  if (::futimens(file.get(), nullptr) != 0) return fail_errno("futimens", "clock");
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return fail_errno("fstat", "clock");
  return status.st_ctim;
}

Result<timespec> clock_past(int reserved_directory) {
  constexpr int kTries = 50;
  auto first = clock_of(reserved_directory);
  for (int tries = 0; first && tries < kTries; ++tries) {
    const auto now = clock_of(reserved_directory);
    if (!now || is_before(*first, *now)) return now;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (first && ++first->tv_nsec == 1'000'000'000)
    *first = {.tv_sec = first->tv_sec + 1, .tv_nsec = 0};
  return first;
}

}  // namespace mirrorfs::journal
