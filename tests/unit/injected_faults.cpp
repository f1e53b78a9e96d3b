#include "injected_faults.h"

#include <algorithm>
#include <thread>

namespace mirrorfs {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Call::kCalls)> kNames = {
    "look",  "list",    "open",     "create",   "read",      "write",      "sync",  "truncate",
    "mkdir", "rmdir",   "unlink",   "rename",   "link",      "symlink",    "mknod", "chmod",
    "chown", "utimens", "setxattr", "getxattr", "listxattr", "removexattr"};

}  // namespace

std::string_view to_string(Call call) { return kNames.at(static_cast<std::size_t>(call)); }

void InjectedFaults::inject(Call call, const Fault& fault) {
  const std::lock_guard lock(mutex_);
  slots_.at(static_cast<std::size_t>(call)) = {.fault = fault, .set = true};
  struck_ = 0;
}

void InjectedFaults::inject_everywhere(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  slots_.fill({.fault = fault, .set = true});
  struck_ = 0;
}

void InjectedFaults::heal() {
  {
    const std::lock_guard lock(mutex_);
    slots_.fill({});
    ++heals_;
  }
  healed_.notify_all();
}

std::uint64_t InjectedFaults::struck() const {
  const std::lock_guard lock(mutex_);
  return struck_;
}

bool InjectedFaults::is_struck(Slot& slot) {
  if (!slot.set) return false;
  const std::uint64_t number = slot.calls++;
  const bool struck = number >= slot.fault.first && number - slot.fault.first < slot.fault.count;
  struck_ += struck ? 1 : 0;
  return struck;
}

int InjectedFaults::strike(Call call) {
  std::unique_lock lock(mutex_);
  Slot& slot = slots_.at(static_cast<std::size_t>(call));
  if (slot.fault.shortens || !is_struck(slot)) return 0;
  const Fault fault = slot.fault;
  if (fault.hangs) {
    const std::uint64_t before = heals_;
    healed_.wait(lock, [&] { return heals_ != before; });
    return 0;
  }
  lock.unlock();
  std::this_thread::sleep_for(fault.delay);
  return fault.error;
}

std::size_t InjectedFaults::shortened(std::size_t size) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_.at(static_cast<std::size_t>(Call::kWrite));
  if (!slot.fault.shortens || size < 2 || !is_struck(slot)) return size;
  return size / 2;
}

}  // namespace mirrorfs
