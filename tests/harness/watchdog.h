// Ends a test that hangs in a mount.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace mirrorfs::test {

/// Calls `bark` (in its own thread) unless destroyed in time. If the test is still not over a while
/// after that, ends the whole process.
class Watchdog {
 public:
  Watchdog(std::chrono::seconds patience, std::function<void()> bark);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

 private:
  bool over_within(std::chrono::seconds time);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace mirrorfs::test
