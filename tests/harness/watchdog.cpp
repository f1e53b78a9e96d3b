#include "watchdog.h"

#include <unistd.h>

#include <cstdio>

namespace mirrorfs::test {

constexpr std::chrono::seconds kTimeToEndAfterBark{20};

namespace {

// Sanitized programs take several times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSlowness = 4;
#else
constexpr int kSlowness = 1;
#endif

}  // namespace

Watchdog::Watchdog(std::chrono::seconds patience, std::function<void()> bark)
    : thread_([this, patience, bark = std::move(bark)] {
        if (over_within(patience * kSlowness)) return;
        bark();
        if (over_within(kTimeToEndAfterBark)) return;
        std::fputs("the test hangs although its mount was aborted; giving up\n", stderr);
        ::_exit(3);
      }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool Watchdog::over_within(std::chrono::seconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return over_; });
}

}  // namespace mirrorfs::test
