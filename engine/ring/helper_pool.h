// A few threads for calls that can block and have no io_uring opcode.
#pragma once

#include <coroutine>
#include <memory>
#include <thread>
#include <vector>

#include "engine/ring/inbox.h"

namespace mirrorfs::ring {

/// A blocking call that a coroutine waits for. Lives in the coroutine's frame.
class HelperJob {
 public:
  /// Does the work, on whatever thread may block. Then resume_waiter(), on the ring's thread.
  void execute() noexcept { execute_(*this); }
  void resume_waiter() { resume_later(waiter_); }

  HelperJob(const HelperJob&) = delete;
  HelperJob& operator=(const HelperJob&) = delete;

 protected:
  using Execute = void (*)(HelperJob&) noexcept;

  explicit HelperJob(Execute work) noexcept : execute_(work) {}
  ~HelperJob() = default;

  std::coroutine_handle<> waiter_;  ///< set before the job is started

 private:
  static void resume_later(std::coroutine_handle<> waiter);

  const Execute execute_;
};

/// Members belong to the ring's thread. The threads start with the first job, so that a process may
/// still fork after a Ring was made.
class HelperPool {
 public:
  HelperPool(std::shared_ptr<Inbox> inbox, unsigned threads);
  HelperPool(const HelperPool&) = delete;
  HelperPool& operator=(const HelperPool&) = delete;
  /// Waits for the threads, unless abandon() was called.
  ~HelperPool();

  /// Runs the job on a helper thread, then has the ring resume its waiter.
  void submit(HelperJob& job);

  /// Lets threads that hang in a call go: they end by themselves, if ever.
  void abandon();

 private:
  struct Shared;

  static void work(std::shared_ptr<Shared> shared);
  static void finish(Shared& shared, HelperJob& job);
  void start_threads();
  void close_queue();

  const unsigned wanted_;
  const std::shared_ptr<Shared> shared_;
  std::vector<std::thread> threads_;
};

}  // namespace mirrorfs::ring
