// Faults of a filesystem's calls: which call, from which of them on, how many, and what becomes of
// it.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string_view>

namespace mirrorfs {

/// The calls of a filesystem, as FUSE has them.
enum class Call : std::size_t {
  kLook,  ///< stat and look-up
  kList,
  kOpen,
  kCreate,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kMakeDirectory,
  kRemoveDirectory,
  kUnlink,
  kRename,
  kLink,
  kSymlink,
  kMakeNode,
  kChangeMode,
  kChangeOwner,
  kSetTimes,
  kSetXattr,
  kGetXattr,
  kListXattrs,
  kRemoveXattr,
  kCalls,
};
[[nodiscard]] std::string_view to_string(Call call);

struct Fault {
  int error = 0;  ///< 0: the call goes on after the delay
  std::chrono::milliseconds delay{0};
  bool hangs = false;       ///< until heal()
  bool shortens = false;    ///< a write takes a part only
  std::uint64_t first = 0;  ///< so many calls go through before
  std::uint64_t count = std::numeric_limits<std::uint64_t>::max();  ///< so many are struck then
};

/// Any thread.
class InjectedFaults {
 public:
  void inject(Call call, const Fault& fault);
  void inject_everywhere(const Fault& fault);
  /// All is well again; what hangs goes on.
  void heal();
  /// Calls struck since the last inject().
  [[nodiscard]] std::uint64_t struck() const;

  /// At the beginning of a call: waits as the fault says, and returns its error or 0.
  [[nodiscard]] int strike(Call call);
  /// How much of it a write takes.
  [[nodiscard]] std::size_t shortened(std::size_t size);

 private:
  struct Slot {
    Fault fault;
    bool set = false;
    std::uint64_t calls = 0;
  };
  [[nodiscard]] bool is_struck(Slot& slot);

  mutable std::mutex mutex_;  // guards the rest
  std::condition_variable healed_;
  std::array<Slot, static_cast<std::size_t>(Call::kCalls)> slots_;
  std::uint64_t struck_ = 0;
  std::uint64_t heals_ = 0;
};

}  // namespace mirrorfs
