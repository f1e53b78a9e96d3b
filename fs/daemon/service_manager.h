// Notifications to systemd (sd_notify(3)); nothing happens under any other parent.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace mirrorfs::service_manager {

void tell_ready(const std::string& status);
void tell_stopping();
/// Shown by systemctl status. Any text.
void tell_status(const std::string& status);

/// While it lives, asks for more time every few seconds, so that a long drain is not killed by
/// TimeoutStopSec, and shows how far it has come.
class DrainReport {
 public:
  /// `status` is called by a thread of its own.
  explicit DrainReport(std::function<std::string()> status);
  ~DrainReport();
  DrainReport(const DrainReport&) = delete;
  DrainReport& operator=(const DrainReport&) = delete;

 private:
  void loop();

  const std::function<std::string()> status_;
  std::mutex mutex_;  ///< guards ended_
  std::condition_variable ending_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace mirrorfs::service_manager
