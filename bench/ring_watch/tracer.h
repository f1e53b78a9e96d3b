// Runs a command and reports every operation that it hands to io_uring.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <utility>

#include "bench/ring_watch/operation.h"
#include "bench/ring_watch/ring_view.h"

namespace mirrorfs::bench {

struct TracerOptions {
  bool resolve = false;  ///< print where descriptors lead
};

/// ptrace(2) with a seccomp filter, so that only the few system calls of interest stop the command.
/// Output, one line each:
///
///     TID setup                     a ring was made
///     TID getdents64                the first listing of a directory
///     TID OPENAT2 user_data=0x1 dirfd=5 path="name" flags=0x0 resolve=0x1c
///     TID READ user_data=0x2 fd=7
///     exit 0                        the last line; without it the record is not complete
///
/// One thread only: ptrace belongs to it.
class Tracer {
 public:
  Tracer(std::FILE* output, TracerOptions options) : output_(output), options_(options) {}

  /// Returns the command's exit status, 128 and the signal's number if one ended it. Throws
  /// std::system_error, and std::runtime_error where a ring cannot be watched; the command is
  /// killed then.
  int run(std::span<char* const> command);

 private:
  void start(std::span<char* const> command);
  int loop();
  void stopped(pid_t thread, int status);
  void entered(pid_t thread);
  void left(pid_t thread);
  void ring_made(pid_t thread, const std::uint64_t* arguments, std::int64_t fd);
  void rings_registered(pid_t thread, const std::uint64_t* arguments, std::int64_t count);
  void handed_over(pid_t thread, const std::uint64_t* arguments);
  void print(pid_t thread, const Operation& operation);
  void print_descriptor(pid_t thread, const char* label, int fd);

  struct Call {
    std::uint64_t number = 0;
    std::uint64_t arguments[6] = {};
  };

  std::FILE* output_;
  TracerOptions options_;
  pid_t command_ = -1;
  bool listed_ = false;
  std::map<pid_t, Call> in_call_;                         // waiting for its result
  std::map<std::pair<pid_t, int>, RingView> rings_;       // by process and descriptor
  std::map<std::pair<pid_t, unsigned>, int> registered_;  // thread and index -> descriptor
};

}  // namespace mirrorfs::bench
