#include "bench/ring_watch/tracer.h"

#include <linux/openat2.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <stdexcept>
#include <string>

#include "bench/ring_watch/child.h"
#include "bench/ring_watch/memory.h"

namespace mirrorfs::bench {
namespace {

constexpr std::uint64_t kRegisterRingFds = 20;  // IORING_REGISTER_RING_FDS

void resume(pid_t thread, bool until_result, int signal = 0) {
  // ESRCH: killed meanwhile; its end is reported by itself.
  const auto request = until_result ? PTRACE_SYSCALL : PTRACE_CONT;
  if (::ptrace(request, thread, nullptr, signal) != 0 && errno != ESRCH) fail("ptrace");
}

__ptrace_syscall_info call_info(pid_t thread) {
  __ptrace_syscall_info info{};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) < 0) {
    fail("PTRACE_GET_SYSCALL_INFO");
  }
  return info;
}

}  // namespace

int Tracer::run(std::span<char* const> command) {
  command_ = start_traced(command);
  try {
    const int status = loop();
    std::fprintf(output_, "exit %d\n", status);
    return status;
  } catch (...) {
    ::kill(command_, SIGKILL);
    throw;
  }
}

int Tracer::loop() {
  for (;;) {
    int status = 0;
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0) fail("waitpid");
    if (WIFSTOPPED(status)) {
      stopped(thread, status);
      continue;
    }
    in_call_.erase(thread);
    if (thread != command_) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

void Tracer::stopped(pid_t thread, int status) {
  const int signal = WSTOPSIG(status);
  if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_SECCOMP << 8))) return entered(thread);
  if (signal == (SIGTRAP | 0x80)) return left(thread);
  // New threads begin with a SIGSTOP of ptrace's own; events are no signals.
  const bool ours = status >> 16 != 0 || signal == SIGSTOP || signal == SIGTRAP;
  resume(thread, in_call_.contains(thread), ours ? 0 : signal);
}

void Tracer::entered(pid_t thread) {
  const __ptrace_syscall_info info = call_info(thread);
  Call call{.number = info.seccomp.nr};
  std::copy(std::begin(info.seccomp.args), std::end(info.seccomp.args), call.arguments);
  switch (call.number) {
    case SYS_io_uring_enter: handed_over(thread, call.arguments); break;
    case SYS_getdents64:
      if (!listed_) std::fprintf(output_, "%d getdents64\n", thread);
      listed_ = true;
      break;
    default: in_call_[thread] = call; return resume(thread, true);
  }
  resume(thread, false);
}

void Tracer::left(pid_t thread) {
  const __ptrace_syscall_info info = call_info(thread);
  const auto call = in_call_.extract(thread);
  if (!call.empty() && info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error == 0) {
    const Call& made = call.mapped();
    if (made.number == SYS_io_uring_setup) ring_made(thread, made.arguments, info.exit.rval);
    if (made.number == SYS_io_uring_register) {
      rings_registered(thread, made.arguments, info.exit.rval);
    }
  }
  resume(thread, false);
}

void Tracer::ring_made(pid_t thread, const std::uint64_t* arguments, std::int64_t fd) {
  const auto params = read_value<io_uring_params>(thread, arguments[1]);
  const std::pair key{process_of(thread), static_cast<int>(fd)};
  rings_.erase(key);
  rings_.emplace(key, RingView(key.first, key.second, params));
  std::fprintf(output_, "%d setup\n", thread);
}

void Tracer::rings_registered(pid_t thread, const std::uint64_t* arguments, std::int64_t count) {
  if (arguments[1] != kRegisterRingFds) return;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(count); ++i) {
    const auto update =
        read_value<io_uring_rsrc_update>(thread, arguments[2] + i * sizeof(io_uring_rsrc_update));
    registered_[{thread, update.offset}] = static_cast<int>(update.data);
  }
}

void Tracer::handed_over(pid_t thread, const std::uint64_t* arguments) {
  int fd = static_cast<int>(arguments[0]);
  if ((arguments[3] & IORING_ENTER_REGISTERED_RING) != 0) {
    fd = registered_.at({thread, static_cast<unsigned>(arguments[0])});
  }
  const auto ring = rings_.find({process_of(thread), fd});
  if (ring == rings_.end()) throw std::runtime_error("a ring came from nowhere");
  for (const io_uring_sqe& entry : ring->second.take(static_cast<unsigned>(arguments[1]))) {
    print(thread, decode(entry));
  }
}

void Tracer::print(pid_t thread, const Operation& operation) {
  std::fprintf(output_, "%d %s user_data=%#llx", thread, operation.name.c_str(),
               static_cast<unsigned long long>(operation.user_data));
  if (operation.fd) print_descriptor(thread, "fd", *operation.fd);
  for (const NameUse& use : operation.names) {
    print_descriptor(thread, "dirfd", use.dirfd);
    std::fprintf(output_, " path=%s", quoted(read_name(thread, use.address)).c_str());
  }
  if (!operation.names.empty()) std::fprintf(output_, " flags=%#x", operation.flags);
  if (operation.open_how != 0) {
    const auto resolve = read_value<open_how>(thread, operation.open_how).resolve;
    std::fprintf(output_, " resolve=%#llx", static_cast<unsigned long long>(resolve));
  }
  std::fputc('\n', output_);
}

void Tracer::print_descriptor(pid_t thread, const char* label, int fd) {
  std::fprintf(output_, " %s=%d", label, fd);
  if (!options_.resolve) return;
  if (const auto where = descriptor_path(thread, fd)) {
    std::fprintf(output_, "<%s>", quoted(*where).c_str());
  }
}

}  // namespace mirrorfs::bench
