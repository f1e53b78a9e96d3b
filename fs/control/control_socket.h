// The daemon's listening control socket, from bind to unlink.
#pragma once

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::control {

/// Removes its name when destroyed, if that is still its own. The const members: any thread.
class ControlSocket {
 public:
  /// Binds and listens; replaces what a dead daemon left behind. Only owner and root can connect
  /// (mode 0600). The error is one line fit for the user.
  [[nodiscard]] static std::expected<std::unique_ptr<ControlSocket>, std::string> listen(
      const std::filesystem::path& directory, std::string_view mount_path);
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  [[nodiscard]] int get() const { return socket_.get(); }

  /// The directory of the socket.
  [[nodiscard]] int directory() const { return directory_.get(); }

  /// Removes the name: the socket can no longer be found. Any thread.
  void remove_name() const;

 private:
  ControlSocket(UniqueFd directory, UniqueFd socket, std::string name, ino_t inode)
      : directory_(std::move(directory)),
        socket_(std::move(socket)),
        name_(std::move(name)),
        inode_(inode) {}

  UniqueFd directory_;
  UniqueFd socket_;
  std::string name_;
  ino_t inode_;
};

/// A daemon listens on `name` in this directory.
[[nodiscard]] bool is_served(int directory, std::string_view name);

}  // namespace mirrorfs::control
