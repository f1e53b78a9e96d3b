// What the kernel has open: owned here until it is released, or until the mount is gone.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

namespace mirrorfs::fs {

/// A mount that ends does not release what is open (fuse_abort_conn): the rest is closed with the
/// table. Safe from any thread.
template <class Handle>
class OpenHandles {
 public:
  void keep(std::unique_ptr<Handle> handle) {
    const std::lock_guard lock(mutex_);
    Handle* const key = handle.get();
    handles_.emplace(key, std::move(handle));
  }

  /// For the last user: the caller closes it.
  [[nodiscard]] std::unique_ptr<Handle> take(Handle& handle) {
    const std::lock_guard lock(mutex_);
    const auto found = handles_.find(&handle);
    if (found == handles_.end()) return nullptr;
    auto taken = std::move(found->second);
    handles_.erase(found);
    return taken;
  }

  /// `look(const Handle&)` of each, under the lock.
  template <class Look>
  void for_each(const Look& look) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, handle] : handles_) look(*handle);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<Handle*, std::unique_ptr<Handle>> handles_;
};

}  // namespace mirrorfs::fs
