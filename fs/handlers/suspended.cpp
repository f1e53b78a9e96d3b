#include "fs/handlers/suspended.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "fs/handlers/suspended_room.h"
#include "fs/handlers/writer.h"
#include "mirrorfs/log.h"

namespace mirrorfs::fs {
namespace {

/// How soon it is noticed that a waiting thread is being killed.
constexpr std::chrono::milliseconds kLookInterval(100);
constexpr std::size_t kMostResumers = 4;

/// Seconds in a file of /proc/sys/fs/fuse; 0 where there is none (Linux 6.15) or no limit is set.
std::chrono::seconds timeout_in(const char* path) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  char text[32];
  const ssize_t size = file ? ::read(file.get(), text, sizeof text) : 0;
  unsigned seconds = 0;
  if (size > 0) std::from_chars(text, text + size, seconds);
  return std::chrono::seconds(seconds);
}

/// The kernel aborts the whole connection for one request that takes longer. It looks every so
/// often, and a request has waited in its queues before we see it.
std::chrono::milliseconds most_that_may_wait() {
  const auto most = timeout_in("/proc/sys/fs/fuse/max_request_timeout");
  const auto usual = timeout_in("/proc/sys/fs/fuse/default_request_timeout");
  const auto limit =
      most.count() != 0 && usual.count() != 0 ? std::min(most, usual) : std::max(most, usual);
  return std::chrono::milliseconds(limit) / 2;
}

thread_local bool is_own_thread = false;

/// On a thread of libfuse that serves a ring: the ring and what waits in it goes when the thread
/// has ended (fuse_session_destruct_uring()). It is being cancelled then, and waits here.
template <class Room>
struct EndWithThread {
  std::weak_ptr<Room> room;
  // libfuse cancels such threads at the end of the session (fuse_session_destruct_uring()), and
  // joining others is where a cancelled thread would be unwound, in the midst of a destructor.
  ~EndWithThread() {
    int before = 0;
    ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    if (const auto still = room.lock()) still->end();
    ::pthread_setcancelstate(before, nullptr);
  }
};

}  // namespace

Suspended::Suspended(Replicator& replicator, const Credentials& own)
    : room_(std::make_shared<Room>(replicator, own)) {}

Suspended::~Suspended() { room_->end(); }

void Suspended::until_admitted(FuseRequest request, std::size_t bytes, Footprint ahead,
                               Resume rest) {
  room_->until_admitted(std::move(request), bytes, std::move(ahead), std::move(rest));
}

void Suspended::until_settled(FuseRequest request, SequenceNumber number, Await what,
                              std::shared_ptr<const Footprint> covered, Answer rest) {
  room_->until_settled(std::move(request), number, what, std::move(covered), std::move(rest));
}

void Suspended::end() { room_->end(); }

std::size_t Suspended::waiting() const { return room_->waiting(); }

Suspended::Room::Room(Replicator& replicator, const Credentials& own)
    : replicator_(replicator), own_(own), most_(most_that_may_wait()) {}

std::size_t Suspended::Room::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void Suspended::Room::until_admitted(FuseRequest request, std::size_t bytes, Footprint ahead,
                                     Resume rest) {
  const Caller caller = request.caller();
  const auto key = put_aside({.request = std::move(request),
                              .caller = caller,
                              .rest = std::move(rest),
                              .bytes = bytes,
                              .wait = {},
                              .admission = {},
                              .settled = {}});
  if (!key) return;
  replicator_.when_ahead(ahead, [self = shared_from_this(), key = *key, bytes] {
    self->note_wait(key, self->replicator_.admit_later(bytes, [self, key](Admission admission) {
      self->admitted(key, std::move(admission));
    }));
  });
}

void Suspended::Room::until_settled(FuseRequest request, SequenceNumber number, Await what,
                                    std::shared_ptr<const Footprint> covered, Answer rest) {
  const Caller caller = request.caller();
  const auto key = put_aside({.request = std::move(request),
                              .caller = caller,
                              .rest = std::move(rest),
                              .wait = {},
                              .admission = {},
                              .settled = {}});
  if (!key) return;
  note_wait(*key, replicator_.settle(number, what, std::move(covered),
                                     [self = shared_from_this(), key = *key](Result<void> result) {
                                       self->settled(key, std::move(result));
                                     }));
}

/// Nothing when all has ended; the request is answered then.
std::optional<std::uint64_t> Suspended::Room::put_aside(Entry entry) {
  if (entry.request.by_ring() && !is_own_thread) {
    static thread_local EndWithThread<Room> guard;
    guard.room = weak_from_this();
  }
  entry.since = Clock::now();
  const std::lock_guard lock(mutex_);
  if (ended_) {
    entry.request.error(ENOTCONN);
    return std::nullopt;
  }
  start_threads(std::holds_alternative<Resume>(entry.rest));
  const std::uint64_t key = ++last_key_;
  const bool first = waiting_.empty();
  waiting_.emplace(key, std::move(entry));
  if (first) answers_changed_.notify_one();  // it has something to look after
  return key;
}

void Suspended::Room::start_threads(bool resumes) {
  if (!answerer_) {
    threads_.emplace_back([this] { answer_loop(); });
    answerer_ = true;
  }
  if (resumes && resumers_ < kMostResumers) {
    threads_.emplace_back([this] { resume_loop(); });
    ++resumers_;
  }
}

void Suspended::Room::note_wait(std::uint64_t key, WaitId wait) {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find(key);
  if (found != waiting_.end()) found->second.wait = wait;
}

Suspended::Room::Entries::node_type Suspended::Room::take(std::uint64_t key) {
  const std::lock_guard lock(mutex_);
  return waiting_.extract(key);
}

/// Takes no memory: the engine calls this.
void Suspended::Room::ready(Entries::node_type entry) {
  const bool resumes =
      std::holds_alternative<Resume>(entry.mapped().rest) && entry.mapped().settled.has_value();
  const std::lock_guard lock(mutex_);
  (resumes ? resumes_ : answers_).insert(std::move(entry));
  (resumes ? resumes_changed_ : answers_changed_).notify_one();
}

void Suspended::Room::admitted(std::uint64_t key, Admission admission) {
  auto entry = take(key);
  if (entry.empty()) return;  // gave up meanwhile, and gives the room back
  entry.mapped().admission = std::move(admission);
  ready(std::move(entry));
}

void Suspended::Room::settled(std::uint64_t key, Result<void> result) {
  auto entry = take(key);
  if (entry.empty()) return;
  entry.mapped().settled = std::move(result);
  ready(std::move(entry));
}

void Suspended::Room::go_on(Entry& entry) {
  try {
    if (auto* const answer = std::get_if<Answer>(&entry.rest)) {
      (*answer)(entry.request, std::move(entry.settled));
    } else if (!entry.settled) {
      entry.request.error(entry.settled.error());
    } else {
      std::get<Resume>(entry.rest)(entry.request, std::move(entry.admission));
    }
  } catch (const std::exception& error) {
    log_error("a request failed: {}", error.what());
  }
}

void Suspended::Room::resume_loop() {
  is_own_thread = true;
  const WithoutReserve as_those_that_serve(own_);
  std::unique_lock lock(mutex_);
  for (;;) {
    resumes_changed_.wait(lock, [this] { return ended_ || !resumes_.empty(); });
    if (resumes_.empty()) return;
    auto entry = resumes_.extract(resumes_.begin());
    lock.unlock();
    go_on(entry.mapped());
    entry = {};
    lock.lock();
  }
}

void Suspended::Room::answer_loop() {
  is_own_thread = true;
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto something = [this] { return ended_ || !answers_.empty(); };
    if (waiting_.empty()) {
      answers_changed_.wait(lock, [&] { return something() || !waiting_.empty(); });
    } else if (!answers_changed_.wait_for(lock, kLookInterval, something)) {
      look_after_waiting(lock);
    }
    while (!answers_.empty()) {
      auto entry = answers_.extract(answers_.begin());
      lock.unlock();
      go_on(entry.mapped());
      entry = {};
      lock.lock();
    }
    if (ended_) return;
  }
}

/// Ends the waits of those that are being killed or have waited too long.
void Suspended::Room::look_after_waiting(std::unique_lock<std::mutex>& lock) {
  const auto now = Clock::now();
  struct Old {
    std::uint64_t key;
    Caller caller;
    bool too_long;
  };
  std::vector<Old> old;
  for (const auto& [key, entry] : waiting_) {
    if (now - entry.since < kLookInterval) continue;
    old.push_back({key, entry.caller, most_.count() != 0 && now - entry.since >= most_});
  }
  lock.unlock();
  for (const Old& one : old) {
    const bool killed = own_.is_killed(one.caller);
    if (killed || one.too_long) end_wait(one.key, killed);
  }
  lock.lock();
}

void Suspended::Room::end_wait(std::uint64_t key, bool killed) {
  auto taken = take(key);
  if (taken.empty()) return;
  Entry& entry = taken.mapped();
  replicator_.cancel(entry.wait);
  if (killed) return entry.request.error(EINTR);
  log_warn(
      "a request waited for the replica for {} s, longer than the kernel allows (fs.fuse."
      "max_request_timeout): it is answered as on-dst-error says",
      std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - entry.since).count());
  entry.settled = replicator_.answer_without_replica();
  if (entry.settled && std::holds_alternative<Resume>(entry.rest)) {
    entry.admission = replicator_.admit_regardless(entry.bytes);
  }
  ready(std::move(taken));
}

void Suspended::Room::end() {
  if (is_own_thread) return;
  const std::lock_guard one_at_a_time(end_mutex_);
  Entries left;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    left.swap(waiting_);
    left.merge(resumes_);
    left.merge(answers_);
    threads.swap(threads_);
  }
  answers_changed_.notify_all();
  resumes_changed_.notify_all();
  for (auto& [key, entry] : left) {
    replicator_.cancel(entry.wait);
    entry.request.error(ENOTCONN);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace mirrorfs::fs
