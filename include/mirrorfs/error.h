// How errors travel: an errno value with the operation that failed and the name it failed on.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>

namespace mirrorfs {

struct Error {
  int code = 0;                ///< errno value, never 0 in a failed Result
  const char* operation = "";  ///< static string: the system call or step that failed
  std::string name;            ///< the name it failed on, relative to its directory; may be empty

  /// "openat2 'name': No such file or directory"
  [[nodiscard]] std::string message() const;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(int code, const char* operation,
                                                 std::string_view name = {}) {
  return std::unexpected(Error{code, operation, std::string(name)});
}

/// fail() with the calling thread's errno; call it before anything else can change errno.
[[nodiscard]] inline std::unexpected<Error> fail_errno(const char* operation,
                                                       std::string_view name = {}) {
  return fail(errno, operation, name);
}

/// Hands an error of one Result type on as another.
template <class T>
[[nodiscard]] std::unexpected<Error> pass_on(Result<T>&& failed) {
  return std::unexpected(std::move(failed).error());
}

}  // namespace mirrorfs
