// The awaitable requests: plain values that live in the frame of the coroutine that awaits them.
#pragma once

#include <linux/openat2.h>

#include <chrono>
#include <coroutine>
#include <cstddef>

#include "engine/ring/driver.h"
#include "engine/ring/helper_pool.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/unique_fd.h"

struct io_uring_sqe;

namespace mirrorfs::ring {

class Ring;

/// A submission queue entry kept until there is room for it. Raw storage, so that those who await
/// requests need not read liburing's headers.
class EntryStorage {
 public:
  explicit EntryStorage(const io_uring_sqe& entry) noexcept;
  [[nodiscard]] io_uring_sqe& get() noexcept;

 private:
  static constexpr std::size_t kSize = 64;  // IORING_SETUP_SQE128 is not used

  alignas(8) std::byte bytes_[kSize];
};

/// One request to the kernel. Made by a member of Ring and awaited at once: whatever the kernel
/// reads or fills in lives here or at the caller, and stays until the request has completed. Never
/// moved: its address is the request's user_data.
class Request : public HelperJob {
 public:
  static constexpr bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept;

  // For drivers:
  [[nodiscard]] io_uring_sqe& entry() noexcept { return entry_.get(); }
  [[nodiscard]] const char* operation() const noexcept { return operation_; }
  [[nodiscard]] const char* name() const noexcept { return name_; }
  /// A value ≥ 0 or -errno, as io_uring gives it. False: it has to be carried out once more.
  [[nodiscard]] bool complete(int result);

 protected:
  Request(Ring& ring, const io_uring_sqe& entry, const char* operation, const char* name) noexcept
      : HelperJob(execute_directly),
        ring_(ring),
        entry_(entry),
        operation_(operation),
        name_(name) {}
  ~Request() = default;

  [[nodiscard]] int result() const noexcept { return result_; }
  [[nodiscard]] bool failed() const noexcept { return result_ < 0; }
  [[nodiscard]] std::unexpected<Error> error() const { return fail(-result_, operation_, name_); }

 private:
  friend class Ring;  // makes them

  static void execute_directly(HelperJob& job) noexcept;
  [[nodiscard]] bool take_retry() noexcept;

  Ring& ring_;
  EntryStorage entry_;
  const char* const operation_;
  const char* const name_;
  int result_ = 0;
  unsigned retries_ = 0;
};

/// Yields nothing but success.
class [[nodiscard]] PlainRequest final : public Request {
 public:
  using Request::Request;
  Result<void> await_resume() const;
};

/// Yields a number of bytes.
class [[nodiscard]] SizeRequest final : public Request {
 public:
  using Request::Request;
  Result<std::size_t> await_resume() const;
};

class [[nodiscard]] OpenRequest final : public Request {
 public:
  OpenRequest(Ring& ring, int dirfd, const char* name, const open_how& how) noexcept;
  void await_suspend(std::coroutine_handle<> waiter) noexcept;
  Result<UniqueFd> await_resume() const;

 private:
  open_how how_;
};

class [[nodiscard]] StatxRequest final : public Request {
 public:
  StatxRequest(Ring& ring, int dirfd, const char* name, int flags) noexcept;
  void await_suspend(std::coroutine_handle<> waiter) noexcept;
  Result<Metadata> await_resume() const;

 private:
  struct statx answer_;
};

class [[nodiscard]] CloseRequest final : public Request {
 public:
  CloseRequest(Ring& ring, UniqueFd&& fd) noexcept;
  void await_suspend(std::coroutine_handle<> waiter) noexcept;
  Result<void> await_resume() const;

 private:
  UniqueFd fd_;  ///< given up when the request starts
};

/// Yields true when the time has passed, false when the ring is stopping.
class SleepRequest final {
 public:
  SleepRequest(Ring& ring, Clock::time_point until) noexcept : ring_(ring), until_(until) {}
  SleepRequest(const SleepRequest&) = delete;
  SleepRequest& operator=(const SleepRequest&) = delete;

  [[nodiscard]] bool await_ready() const noexcept;
  void await_suspend(std::coroutine_handle<> waiter);
  bool await_resume() const noexcept { return elapsed_; }

 private:
  friend class Ring;

  Ring& ring_;
  const Clock::time_point until_;
  std::coroutine_handle<> waiter_;
  bool elapsed_ = false;
};

}  // namespace mirrorfs::ring
