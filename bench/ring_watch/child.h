// The start of a traced command.
#pragma once

#include <sys/types.h>

#include <span>

namespace mirrorfs::bench {

/// Starts the command as a tracee that stops (PTRACE_EVENT_SECCOMP) at io_uring_setup,
/// io_uring_enter, io_uring_register and getdents64, and in all threads and children that it makes.
/// `command` ends with a null pointer. Throws std::system_error.
[[nodiscard]] pid_t start_traced(std::span<char* const> command);

}  // namespace mirrorfs::bench
