#include "fs/control/control_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "fs/control/client.h"
#include "fs/control/socket_path.h"

namespace mirrorfs::control {
namespace {

constexpr int kBacklog = 32;

Result<void> bind_to(int socket, int directory, std::string_view name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_address(directory, name);
  if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "bind", name);
  std::memcpy(address.sun_path, path.data(), path.size());
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno("bind", name);
  }
  return {};
}

/// Binds over a name that no daemon serves any more.
Result<void> take_name(int socket, int directory, const std::string& name) {
  auto bound = bind_to(socket, directory, name);
  if (bound || bound.error().code != EADDRINUSE) return bound;
  if (is_served(directory, name)) return bound;
  if (unlinkat(directory, name.c_str(), 0) != 0) return fail_errno("unlinkat", name);
  return bind_to(socket, directory, name);
}

}  // namespace

bool is_served(int directory, std::string_view name) {
  return connect_to(directory, name).has_value();
}

std::expected<std::unique_ptr<ControlSocket>, std::string> ControlSocket::listen(
    const std::filesystem::path& directory, std::string_view mount_path) {
  const auto explain = [&directory](const Error& error) {
    return std::unexpected(fmt::format("cannot make the control socket in '{}': {}",
                                       directory.native(), error.message()));
  };
  auto parent = make_socket_directory(directory);
  if (!parent) return explain(parent.error());
  // Two daemons that start at once must not remove each other's fresh socket as a stale one.
  if (flock(parent->get(), LOCK_EX) != 0) return explain(fail_errno("flock").error());

  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return explain(fail_errno("socket").error());
  // The mode of the socket itself becomes that of the name (unix(7)), with no moment in between.
  if (fchmod(socket.get(), S_IRUSR | S_IWUSR) != 0) return explain(fail_errno("fchmod").error());
  std::string name = socket_name(mount_path);
  if (auto bound = take_name(socket.get(), parent->get(), name); !bound) {
    if (bound.error().code != EADDRINUSE) return explain(bound.error());
    return std::unexpected(fmt::format(
        "another mirrorfs still serves '{}'; wait until it has finished (mirrorctl status)",
        mount_path));
  }
  struct stat status{};
  if (fstatat(parent->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return explain(fail_errno("listen").error());
  }
  flock(parent->get(), LOCK_UN);
  return std::unique_ptr<ControlSocket>(
      new ControlSocket(std::move(*parent), std::move(socket), std::move(name), status.st_ino));
}

ControlSocket::~ControlSocket() { remove_name(); }

void ControlSocket::remove_name() const {
  struct stat status{};
  if (fstatat(directory_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      status.st_ino == inode_) {
    unlinkat(directory_.get(), name_.c_str(), 0);
  }
}

}  // namespace mirrorfs::control
