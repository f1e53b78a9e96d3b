// What Suspended shares with callbacks that may come after it is gone.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "fs/handlers/credentials.h"
#include "fs/handlers/suspended.h"

namespace mirrorfs::fs {

/// The requests that wait, those whose wait is over, and the threads that go on with them.
class Suspended::Room : public std::enable_shared_from_this<Suspended::Room> {
 public:
  Room(Replicator& replicator, const Credentials& own);

  void until_admitted(FuseRequest request, std::size_t bytes, Footprint ahead, Resume rest);
  void until_settled(FuseRequest request, SequenceNumber number, Await what,
                     std::shared_ptr<const Footprint> covered, Answer rest);
  void end();
  [[nodiscard]] std::size_t waiting() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    FuseRequest request;
    Caller caller;
    std::variant<Resume, Answer> rest;
    std::size_t bytes = 0;  ///< to be admitted
    Clock::time_point since{};
    WaitId wait;
    Admission admission;
    Result<void> settled;
  };
  using Entries = std::map<std::uint64_t, Entry>;

  [[nodiscard]] std::optional<std::uint64_t> put_aside(Entry entry);
  void note_wait(std::uint64_t key, WaitId wait);
  void admitted(std::uint64_t key, Admission admission);
  void settled(std::uint64_t key, Result<void> result);
  [[nodiscard]] Entries::node_type take(std::uint64_t key);
  void ready(Entries::node_type entry);
  void start_threads(bool resumes);

  void answer_loop();
  void resume_loop();
  static void go_on(Entry& entry);
  void look_after_waiting(std::unique_lock<std::mutex>& lock);
  void end_wait(std::uint64_t key, bool killed);

  Replicator& replicator_;
  const Credentials& own_;
  const std::chrono::milliseconds most_;  ///< that a request may wait; 0: for ever

  std::mutex end_mutex_;      ///< held by end(); above mutex_
  mutable std::mutex mutex_;  // guards all below; no system call under it but waiting
  std::condition_variable answers_changed_, resumes_changed_;
  std::uint64_t last_key_ = 0;
  Entries waiting_;
  Entries answers_;  ///< only to be replied
  Entries resumes_;  ///< have room, the handler is still to run
  std::vector<std::thread> threads_;
  std::size_t resumers_ = 0;
  bool answerer_ = false;
  bool ended_ = false;
};

}  // namespace mirrorfs::fs
