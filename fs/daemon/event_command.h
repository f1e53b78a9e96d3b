// --on-event: a command of the user's, run at every change of state.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace mirrorfs {

/// What happened, as further variables of the command's environment.
using EventFacts = std::vector<std::pair<std::string, std::string>>;

/// Runs the command by /bin/sh, once for each event, in their order, one at a time, on a thread of
/// its own: whoever reports an event never waits. The command gets none of the daemon's descriptors
/// but standard output and error, default signals, / as its directory and a session of its own. One
/// that runs longer than the limit is killed, with its process group, and not waited for if it
/// hangs in the kernel even then.
class EventCommand {
 public:
  struct Limits {
    std::chrono::milliseconds each{30'000};
    std::chrono::milliseconds at_end{5'000};  ///< for each, once finish() was called
    std::chrono::milliseconds all_at_end{10'000};
    std::size_t most_waiting = 64;  ///< past it the oldest is left out
  };

  explicit EventCommand(std::string command) : EventCommand(std::move(command), Limits()) {}
  EventCommand(std::string command, Limits limits);
  ~EventCommand() { finish(); }
  EventCommand(const EventCommand&) = delete;
  EventCommand& operator=(const EventCommand&) = delete;

  /// Any thread.
  void report(EventFacts facts);
  /// Runs what waits, of many the last three, and ends the thread; takes a little longer than
  /// `all_at_end` at most.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  struct Event {
    EventFacts facts;
    std::uint64_t left_out = 0;  ///< events before it
  };
  static constexpr std::size_t kAtEnd = 3;

  void loop();
  [[nodiscard]] bool next(Event& event);
  void run(const Event& event);
  [[nodiscard]] pid_t start(const Event& event) const;
  void wait_for(pid_t child, Clock::time_point began);
  [[nodiscard]] std::chrono::milliseconds limit();
  void reap_abandoned();
  void keep_last(std::size_t most);

  const std::string command_;
  const Limits limits_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Event> waiting_;
  bool ending_ = false;
  Clock::time_point end_by_ = Clock::time_point::max();
  std::vector<pid_t> abandoned_;  ///< killed, but hanging in the kernel; the thread's own
  std::thread thread_;
};

}  // namespace mirrorfs
