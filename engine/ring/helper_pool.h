// A few threads for calls that can block and have no io_uring opcode.
#pragma once

#include <coroutine>
#include <memory>
#include <thread>
#include <vector>

#include "engine/ring/inbox.h"

namespace mirrorfs::ring {

class Ring;

/// A blocking call that a coroutine waits for. Lives in the coroutine's frame.
class HelperJob {
 public:
  HelperJob(const HelperJob&) = delete;
  HelperJob& operator=(const HelperJob&) = delete;

 protected:
  /// Does the work, on a helper thread.
  using Execute = void (*)(HelperJob&) noexcept;

  explicit HelperJob(Execute execute) noexcept : execute_(execute) {}
  ~HelperJob() = default;

  std::coroutine_handle<> waiter_;  ///< set before the job is submitted

 private:
  friend class HelperPool;

  const Execute execute_;
};

/// Members belong to the ring's thread. The threads start with the first job, so that a process may
/// still fork after a Ring was made.
class HelperPool {
 public:
  HelperPool(Ring& ring, std::shared_ptr<Inbox> inbox, unsigned threads);
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
