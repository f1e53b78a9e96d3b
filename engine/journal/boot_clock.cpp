#include "engine/journal/boot_clock.h"

#include <fcntl.h>

#include "engine/journal/small_file.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {
namespace {

constexpr std::int64_t kTolerance = 500'000'000;  // ns: adjtime(3) moves the clock a little too

std::int64_t nanoseconds(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

BootClock BootClock::now() {
  BootClock clock;
  const UniqueFd directory(::open("/proc/sys/kernel/random", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) {
    auto boot = read_small_file(directory.get(), "boot_id");
    if (boot && *boot) clock.boot = boot->value().substr(0, boot->value().find('\n'));
  }
  return clock.again();
}

BootClock BootClock::again() const {
  return {.boot = boot, .offset = nanoseconds(CLOCK_REALTIME) - nanoseconds(CLOCK_BOOTTIME)};
}

bool BootClock::was_set_back_since(const BootClock& then) const {
  return !boot.empty() && boot == then.boot && offset < then.offset - kTolerance;
}

}  // namespace mirrorfs::journal
