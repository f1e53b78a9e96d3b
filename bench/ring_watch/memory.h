// Reading from a traced process.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

namespace mirrorfs::bench {

/// Throws std::system_error for errno.
[[noreturn]] inline void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// Throws std::system_error where not all of it can be read.
void read_memory(pid_t process, std::uint64_t address, void* into, std::size_t size);

template <class T>
[[nodiscard]] T read_value(pid_t process, std::uint64_t address) {
  T value{};
  read_memory(process, address, &value, sizeof value);
  return value;
}

/// The NUL-terminated name at the address, up to PATH_MAX; absent for address 0.
[[nodiscard]] std::optional<std::string> read_name(pid_t process, std::uint64_t address);

/// The process that a thread belongs to. Throws std::system_error.
[[nodiscard]] pid_t process_of(pid_t thread);

/// Where a descriptor of the process, or AT_FDCWD, leads, from /proc; absent where there is none.
[[nodiscard]] std::optional<std::string> descriptor_path(pid_t process, int fd);

/// As strace(1) prints it: in quotes, other bytes than printable ASCII as octal numbers; NULL where
/// absent.
[[nodiscard]] std::string quoted(const std::optional<std::string>& text);

}  // namespace mirrorfs::bench
