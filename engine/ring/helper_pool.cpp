#include "engine/ring/helper_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <system_error>

#include "engine/ring/ring.h"

namespace mirrorfs::ring {

struct HelperPool::Shared {
  explicit Shared(std::shared_ptr<Inbox> rings_inbox) : inbox(std::move(rings_inbox)) {}

  const std::shared_ptr<Inbox> inbox;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<HelperJob*> jobs;  // under mutex
  bool closed = false;          // under mutex
};

void HelperJob::resume_later(std::coroutine_handle<> waiter) {
  Ring::current()->resume_later(waiter);
}

HelperPool::HelperPool(std::shared_ptr<Inbox> inbox, unsigned threads)
    : wanted_(std::max(1U, threads)), shared_(std::make_shared<Shared>(std::move(inbox))) {}

HelperPool::~HelperPool() {
  close_queue();
  for (std::thread& thread : threads_) thread.join();
}

void HelperPool::submit(HelperJob& job) {
  if (threads_.empty()) start_threads();
  if (threads_.empty()) return finish(*shared_, job);
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back(&job);
  }
  shared_->changed.notify_one();
}

void HelperPool::abandon() {
  close_queue();
  for (std::thread& thread : threads_) thread.detach();
  threads_.clear();
}

void HelperPool::close_queue() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->closed = true;
    shared_->jobs.clear();
  }
  shared_->changed.notify_all();
}

void HelperPool::start_threads() {
  // Signals are for the threads that expect them; a new thread inherits its maker's mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  threads_.reserve(wanted_);
  try {
    while (threads_.size() < wanted_) threads_.emplace_back(work, shared_);
  } catch (const std::system_error&) {
    // A limit on threads. Fewer do the same work; without any the ring's thread does it.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void HelperPool::work(std::shared_ptr<Shared> shared) {
  pthread_setname_np(pthread_self(), "mirrorfs-helper");
  for (;;) {
    HelperJob* job = nullptr;
    {
      std::unique_lock lock(shared->mutex);
      shared->changed.wait(lock, [&] { return shared->closed || !shared->jobs.empty(); });
      if (shared->closed) return;
      job = shared->jobs.front();
      shared->jobs.pop_front();
    }
    finish(*shared, *job);
  }
}

void HelperPool::finish(Shared& shared, HelperJob& job) {
  job.execute();
  // From here on the job belongs to the ring's thread again, inside whose run() this is called.
  shared.inbox->post([&job] { job.resume_waiter(); });
}

}  // namespace mirrorfs::ring
