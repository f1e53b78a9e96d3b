// One line each way over a local stream socket, with descriptors (SCM_RIGHTS) where asked for.
//
// Every function may be called by any thread, for one socket by one thread at a time.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::control {

/// Empty: no limit.
using Timeout = std::optional<std::chrono::milliseconds>;

struct Line {
  std::string text;  ///< without the newline
  std::vector<UniqueFd> descriptors;
};

/// ETIMEDOUT, ECONNRESET when the peer closed before the newline, EMSGSIZE above `most` bytes.
[[nodiscard]] Result<Line> read_line(int socket, Timeout timeout, std::size_t most);

/// Adds the newline. The descriptors travel with the first byte. ETIMEDOUT, EPIPE.
[[nodiscard]] Result<void> write_line(int socket, std::string_view text, Timeout timeout,
                                      std::span<const int> descriptors = {});

/// The peer has closed its end (or the socket is broken).
[[nodiscard]] bool peer_is_gone(int socket);

}  // namespace mirrorfs::control
