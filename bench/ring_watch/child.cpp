#include "bench/ring_watch/child.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdio>

#include "bench/ring_watch/memory.h"

namespace mirrorfs::bench {
namespace {

constexpr sock_filter statement(std::uint16_t code, std::uint32_t value) {
  return {code, 0, 0, value};
}

constexpr sock_filter jump_if_equal(std::uint32_t value, std::uint8_t otherwise_skip) {
  return {BPF_JMP | BPF_JEQ | BPF_K, 0, otherwise_skip, value};
}

/// What is not named goes on at full speed. A program of this machine's own word size is taken for
/// granted: the others' numbers would be mistaken.
bool install_filter() {
  const auto trace = statement(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
  std::array filter = {
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      jump_if_equal(SYS_io_uring_enter, 1),
      trace,
      jump_if_equal(SYS_io_uring_setup, 1),
      trace,
      jump_if_equal(SYS_io_uring_register, 1),
      trace,
      jump_if_equal(SYS_getdents64, 1),
      trace,
      statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

[[noreturn]] void become(char* const* command) {
  constexpr int kCannotRun = 127;
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) {
    ::raise(SIGSTOP);  // until the tracer has set its options
    if (install_filter()) ::execvp(command[0], command);
  }
  std::perror(command[0]);
  ::_exit(kCannotRun);
}

}  // namespace

pid_t start_traced(std::span<char* const> command) {
  const pid_t child = ::fork();
  if (child < 0) fail("fork");
  if (child == 0) become(command.data());
  int status = 0;
  if (::waitpid(child, &status, 0) < 0) fail("waitpid");
  constexpr auto kOptions = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                            PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                            PTRACE_O_EXITKILL;
  if (::ptrace(PTRACE_SETOPTIONS, child, nullptr, kOptions) != 0) fail("PTRACE_SETOPTIONS");
  if (::ptrace(PTRACE_CONT, child, nullptr, nullptr) != 0) fail("PTRACE_CONT");
  return child;
}

}  // namespace mirrorfs::bench
