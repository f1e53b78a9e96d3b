// Other programs, and other processes of the test itself. All end with the test, however it ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calls.h"

namespace mirrorfs::test {

using std::chrono::milliseconds;

struct RunOptions {
  milliseconds timeout{60'000};
  Path directory = {};                        ///< working directory; empty: the test's own
  std::optional<uid_t> user = {};             ///< also the group; no supplementary groups
  std::vector<std::string> environment = {};  ///< further NAME=value
};

struct Finished {
  int exit_code = 0;  ///< 128 + signal when killed; kTimedOut
  std::string out, err;
  static constexpr int kTimedOut = 124;
};

/// Runs a program to its end; kills it at the timeout.
[[nodiscard]] Finished run(const std::vector<std::string>& command, const RunOptions& options = {});

/// Throws with its output when it fails.
std::string run_or_throw(const std::vector<std::string>& command, const RunOptions& options = {});

/// A running child. One thread. Killed and reaped when destroyed.
class ChildProcess {
 public:
  /// stdout and stderr go to `out` and `err` (descriptors), stdin is /dev/null.
  static ChildProcess start(const std::vector<std::string>& command, const RunOptions& options,
                            int out, int err);
  /// Runs `body` in a forked copy of this process; an exception is printed and exits with 1.
  static ChildProcess fork_off(const std::function<void()>& body);
  /// Takes over a process that became a child of this one.
  static ChildProcess adopt(pid_t pid) { return ChildProcess(pid); }

  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running() const { return pid_ > 0; }  ///< started and not yet waited for
  void signal(int number) const;
  /// The exit code (128 + signal when killed), or nothing when it is still running then.
  std::optional<int> wait(milliseconds timeout);

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = 0;
};

/// Several forked workers: body(0) … body(count - 1).
class Workers {
 public:
  Workers(unsigned count, const std::function<void(unsigned)>& body);
  /// Waits for all; throws when one failed or the time is over.
  void join(milliseconds timeout = milliseconds(60'000));
  void kill();

 private:
  std::vector<ChildProcess> children_;
};

/// Asks every few milliseconds; false when it never came true.
[[nodiscard]] bool eventually(const std::function<bool()>& condition,
                              milliseconds timeout = milliseconds(20'000));

}  // namespace mirrorfs::test
