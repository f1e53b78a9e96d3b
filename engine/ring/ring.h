// Ring: runs coroutines on one thread, over one io_uring or what stands for it.
#pragma once

#include <fcntl.h>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/ring/counters.h"
#include "engine/ring/driver.h"
#include "engine/ring/helper_pool.h"
#include "engine/ring/offload.h"
#include "engine/ring/request.h"
#include "engine/ring/root.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/object_calls.h"
#include "mirrorfs/types.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::ring {

struct RingOptions {
  unsigned entries = 512;  ///< of the submission queue; the kernel rounds up to a power of two
  unsigned helper_threads = 2;
  /// One worker of the kernel until processors are seen to idle (WorkerLimit): for work in bulk,
  /// where no request may be more urgent than those before it.
  bool few_workers = false;
  /// How long the loop sleeps for a share of its requests after the first of them has completed.
  std::chrono::microseconds gather_time{100};
  bool direct_calls = false;  ///< every request as if the kernel lacked its opcode: for tests
};

/// Create it after the process has forked for the last time. One thread runs it: the first that
/// calls run(). Only post(), stop(), abandon() and counters() are for other threads as well;
/// spawn() and destruction are also allowed before and after run(). A process may have several
/// rings, a thread runs one at a time (a nested run() of another ring is allowed and blocks the
/// outer one).
class Ring {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Ring>> create(const RingOptions& options = {});
  /// On another driver than the kernel: simulations.
  explicit Ring(std::unique_ptr<Driver> driver) : driver_(std::move(driver)) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  /// Destroys the tasks that never ran. After abandon() all that the kernel may still refer to
  /// stays.
  ~Ring();

  /// Runs tasks until stop() was called and every spawned task has ended. May be called again, by
  /// the same thread. Throws std::system_error when the kernel refuses the ring itself.
  void run();

  /// Lets run() return once all spawned tasks have ended; sleeping tasks are woken at once, the
  /// others have to be told by their owner.
  void stop();
  [[nodiscard]] bool stopping() const noexcept { return stopping_; }  ///< ring thread

  /// For operations that never complete (a hung replica): makes run() return as soon as the thread
  /// is not inside a system call, though tasks have not ended. They are never resumed, and their
  /// frames, with all that the kernel may still write to, are never freed. So whatever a task
  /// refers to outside its own frame must not be freed either. The process is expected to exit.
  void abandon();

  /// Runs the function on the ring's thread, in order. It must not throw. What is posted after
  /// run() has returned waits for the next run().
  void post(Posted function);

  /// Runs the task detached; run() does not return before it has ended. It starts when the tasks
  /// that are ready now have run. An exception out of it ends the process.
  void spawn(Task<void> task);
  void adopt(Root root);

  /// spawn(), run() and stop() in one: returns what the task returns, throws what it throws.
  template <class T>
  T run_task(Task<T> task);

  // Awaitables: one request each. They fail with the errno, the call's name and `name`. Names,
  // buffers and descriptors are the caller's and must stay until the co_await has returned. Await
  // at once.

  /// openat2(2); O_CLOEXEC is added.
  OpenRequest open(int dirfd, const char* name, int flags, mode_t mode = 0,
                   std::uint64_t resolve = calls::kBeneath);
  /// statx(2) for Metadata; name "" with AT_EMPTY_PATH asks for dirfd itself. A network
  /// filesystem's server is asked, and not what the kernel remembers of it (AT_STATX_FORCE_SYNC):
  /// after a cut that may be what was never done. Local filesystems ignore the flag.
  StatxRequest statx(int dirfd, const char* name, int flags = AT_SYMLINK_NOFOLLOW);
  /// One pread(2) or pwrite(2): may move less than asked, at most 0x7ffff000 bytes.
  SizeRequest read(int fd, std::span<std::byte> buffer, std::uint64_t offset);
  SizeRequest write(int fd, std::span<const std::byte> data, std::uint64_t offset);
  PlainRequest fallocate(int fd, int flags, ByteRange range);
  PlainRequest ftruncate(int fd, std::uint64_t size);
  PlainRequest fsync(int fd, bool data_only = false);
  PlainRequest fadvise(int fd, ByteRange range, int advice);
  CloseRequest close(UniqueFd&& fd);
  PlainRequest mkdirat(int dirfd, const char* name, mode_t mode);
  PlainRequest unlinkat(int dirfd, const char* name, int flags);
  PlainRequest renameat2(int old_dirfd, const char* old_name, int new_dirfd, const char* new_name,
                         unsigned flags);
  PlainRequest linkat(int old_dirfd, const char* old_name, int new_dirfd, const char* new_name,
                      int flags);
  PlainRequest symlinkat(const char* target, int dirfd, const char* name);
  SizeRequest fgetxattr(int fd, const char* name, std::span<std::byte> value);
  PlainRequest fsetxattr(int fd, const char* name, std::span<const std::byte> value, int flags);

  /// Everything, in as many writes as it takes; ENOSPC and the like may leave a part written.
  Task<Result<void>> write_all(int fd, std::span<const std::byte> data, std::uint64_t offset);
  /// Until the buffer is full or the file ends.
  Task<Result<std::size_t>> read_all_at(int fd, std::span<std::byte> buffer, std::uint64_t offset);

  /// The ring's time. Whatever depends on time asks for it here, so that a simulation decides it.
  [[nodiscard]] Clock::time_point now() const noexcept { return driver_->now(); }
  /// Yields true when the time has passed, false (at once) when the ring is stopping.
  SleepRequest sleep(std::chrono::nanoseconds duration);

  /// Yields function(), run on a helper thread: for blocking calls that have no opcode.
  template <class F>
  Offload<std::decay_t<F>> offload(F&& function) {
    // GCC 12 destroys a temporary in a co_await expression twice. Give the function a name.
    static_assert(std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<F>);
    return Offload<std::decay_t<F>>(*this, std::forward<F>(function));
  }

  [[nodiscard]] Counters counters() const noexcept { return counters_.snapshot(); }

  /// The ring whose run() the calling thread is in, or null.
  [[nodiscard]] static Ring* current() noexcept;
  /// Resumes the coroutine from the loop, after those already ready. Ring thread.
  void resume_later(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }

 private:
  friend class Request;
  friend class SleepRequest;
  template <class>
  friend class Offload;
  class RunScope;

  Ring() = default;

  void add_sleeper(SleepRequest& sleeper);
  void loop();
  void run_posted();
  void resume_ready();
  void wake_sleepers();
  [[nodiscard]] std::optional<Clock::time_point> next_wake() const;
  [[nodiscard]] bool may_return() const;

  LiveCounters counters_;
  std::unique_ptr<Driver> driver_;
  std::atomic<bool> abandoned_{false};

  // Of the ring's thread alone:
  bool stopping_ = false;
  RootLink roots_;
  std::vector<std::coroutine_handle<>> ready_, running_;
  std::vector<Posted> posted_;
  std::multimap<Clock::time_point, SleepRequest*> sleepers_;
};

template <class F>
void Offload<F>::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  ring_.driver_->start(*this);
}

namespace detail {

template <class T>
struct Outcome {
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value;
  std::exception_ptr exception;
};

template <class T>
Root keep_outcome(Ring& ring, Task<T> task, std::shared_ptr<Outcome<T>> outcome) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      outcome->value.emplace();
    } else {
      outcome->value.emplace(co_await std::move(task));
    }
  } catch (...) {
    outcome->exception = std::current_exception();
  }
  ring.stop();
}

}  // namespace detail

template <class T>
T Ring::run_task(Task<T> task) {
  const auto outcome = std::make_shared<detail::Outcome<T>>();
  adopt(detail::keep_outcome(*this, std::move(task), outcome));
  run();
  if (outcome->exception) std::rethrow_exception(outcome->exception);
  if (!outcome->value)
    throw std::system_error(ECANCELED, std::generic_category(), "ring abandoned");
  if constexpr (!std::is_void_v<T>) return std::move(*outcome->value);
}

}  // namespace mirrorfs::ring
