// mirrorctl's end: finds daemons by their mounts and asks them.
#pragma once

#include <expected>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "fs/control/channel.h"
#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::control {

/// Connects to a socket by its name in an open directory. ECONNREFUSED: no daemon listens any more.
[[nodiscard]] Result<UniqueFd> connect_to(int directory, std::string_view name);

/// The connection to one daemon, for one request. One thread.
class Client {
 public:
  explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}

  struct Answer {
    std::string body;  ///< JSON, with "ok": true
    std::vector<UniqueFd> descriptors;
  };

  /// The error is one line fit for the user: that of the daemon, or that it did not answer in time.
  [[nodiscard]] std::expected<Answer, std::string> ask(const nlohmann::json& request,
                                                       Timeout timeout);

  /// The user that runs the daemon.
  [[nodiscard]] uid_t peer() const;

 private:
  UniqueFd socket_;
};

/// The daemon that serves `mount` (relative, with a trailing slash, through links: as the user
/// wrote it). The error is one line: not mounted, or not ours to ask.
[[nodiscard]] std::expected<Client, std::string> connect_to_mount(
    const std::filesystem::path& mount);

struct NamedClient {
  std::string mount;  ///< as its record says; without one the name of its socket
  Client client;
};

/// All daemons that the calling user may ask.
[[nodiscard]] std::vector<NamedClient> connect_to_all();

}  // namespace mirrorfs::control
