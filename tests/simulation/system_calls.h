// Every system call that the engine makes passes here: the program is linked with
// -Wl,--wrap=CALL for each of them (CMakeLists.txt). Production code pays nothing for it.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mirrorfs::simulation {

enum class Call : std::uint8_t {
  kOpen,
  kClose,
  kStat,
  kRead,
  kWrite,
  kList,
  kMkdir,
  kMknod,
  kSymlink,
  kReadlink,
  kLink,
  kUnlink,
  kRename,
  kTruncate,
  kAllocate,
  kSync,
  kSyncFilesystem,
  kChmod,
  kChown,
  kSetTimes,
  kListXattrs,
  kGetXattr,
  kSetXattr,
  kRemoveXattr,
  kClone,
  kOther,
};
[[nodiscard]] std::string_view name_of(Call call);

/// What the simulation makes of the engine's calls. One thread.
class CallHooks {
 public:
  virtual ~CallHooks() = default;
  /// Before the call. `fd`: the descriptor it works on or resolves names from. An errno to fail
  /// with, or 0. A close that fails has closed all the same, as close(2) says.
  virtual int before(Call call, int fd, const char* name) = 0;
  /// How many of the bytes may be moved: 1 to `size`.
  virtual std::size_t shortened(Call call, int fd, std::size_t size) = 0;
  /// After it succeeded.
  virtual void after(Call call, int fd) = 0;
  /// What statx(2) tells has to be the same in every run of a seed.
  virtual void adjust(struct statx& found) = 0;
};

/// In its lifetime calls go through the hooks; null: straight to the kernel, for the simulation's
/// own. The innermost counts.
class CallScope {
 public:
  explicit CallScope(CallHooks* hooks) noexcept : outer_(current_) { current_ = hooks; }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;
  ~CallScope() { current_ = outer_; }
  [[nodiscard]] static CallHooks* current() noexcept { return current_; }

 private:
  static inline CallHooks* current_ = nullptr;
  CallHooks* const outer_;
};

}  // namespace mirrorfs::simulation
