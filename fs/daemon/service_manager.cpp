#include "fs/daemon/service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <utility>

#include "mirrorfs/printable.h"

namespace mirrorfs::service_manager {
namespace {

using namespace std::chrono_literals;

constexpr auto kInterval = 5s;
constexpr std::chrono::microseconds kExtension = 30s;

/// The result tells whether a service manager listens; either is fine.
void notify(const std::string& text) { (void)sd_notify(0, text.c_str()); }

}  // namespace

void tell_ready(const std::string& status) { notify("READY=1\nSTATUS=" + printable(status)); }

void tell_status(const std::string& status) { notify("STATUS=" + printable(status)); }

void tell_stopping() { notify("STOPPING=1\nSTATUS=Unmounted"); }

DrainReport::DrainReport(std::function<std::string()> status)
    : status_(std::move(status)), thread_([this] { loop(); }) {}

DrainReport::~DrainReport() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ending_.notify_all();
  thread_.join();
}

void DrainReport::loop() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    lock.unlock();
    notify(fmt::format("EXTEND_TIMEOUT_USEC={}\nSTATUS={}", kExtension.count(), status_()));
    lock.lock();
    ending_.wait_for(lock, kInterval, [this] { return ended_; });
  }
}

}  // namespace mirrorfs::service_manager
