// What the kernel says of a running process, without disturbing it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace mirrorfs::test {

/// Resident bytes: now, and the most since reset_peak_memory().
[[nodiscard]] std::uint64_t resident_memory(pid_t process);
[[nodiscard]] std::uint64_t peak_memory(pid_t process);
void reset_peak_memory(pid_t process);

/// By thread ("name (number)"): how often it went to sleep of its own accord, which is how often it
/// was woken. Kernel workers of the process are among the threads.
[[nodiscard]] std::map<std::string, std::uint64_t> sleeps_by_thread(pid_t process);

/// R, S, D, Z …; 0 when there is no such process.
[[nodiscard]] char state_of(pid_t process);

}  // namespace mirrorfs::test
