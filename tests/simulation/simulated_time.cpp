#include "simulated_time.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace mirrorfs::simulation {
namespace {

constexpr std::chrono::seconds kMonotonicStart{1'000'000};
constexpr std::chrono::seconds kRealStart{1'700'000'000};

timespec to_timespec(std::chrono::nanoseconds time) {
  constexpr std::chrono::nanoseconds kSecond = std::chrono::seconds(1);
  return {.tv_sec = time / kSecond, .tv_nsec = (time % kSecond).count()};
}

bool counts_from_the_epoch(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

}  // namespace

void SimulatedTime::start() noexcept {
  running_ = true;
  elapsed_ = Duration(0);
}

void SimulatedTime::stop() noexcept { running_ = false; }

std::chrono::steady_clock::time_point SimulatedTime::now() noexcept {
  return std::chrono::steady_clock::time_point(kMonotonicStart + elapsed_);
}

timespec SimulatedTime::on(clockid_t clock) noexcept {
  return to_timespec(elapsed_ + (counts_from_the_epoch(clock) ? kRealStart : kMonotonicStart));
}

}  // namespace mirrorfs::simulation

// Stands before libc's own, for libstdc++'s clocks too.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (!mirrorfs::simulation::SimulatedTime::running()) {
    return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  }
  *time = mirrorfs::simulation::SimulatedTime::on(clock);
  return 0;
}
