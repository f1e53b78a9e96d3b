#include "fs/control/client.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>

#include "fs/control/mount_record.h"
#include "fs/control/mount_table.h"
#include "fs/control/socket_path.h"

namespace mirrorfs::control {
namespace {

namespace stdfs = std::filesystem;

constexpr std::size_t kLongestAnswer = 4 << 20;

std::string time_in_words(std::time_t time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time));
}

/// Another user's directory in /tmp is believed to be that user's only when root looks.
uid_t expected_owner(const stdfs::path& directory) {
  struct stat status{};
  if (geteuid() != 0 || lstat(directory.c_str(), &status) != 0) return geteuid();
  return status.st_uid;
}

std::expected<Client, std::string> connect_in(const stdfs::path& directory,
                                              const std::string& name) {
  const auto fd = open_socket_directory(directory, expected_owner(directory));
  if (!fd) return std::unexpected(fd.error().message());
  auto socket = connect_to(fd->get(), name);
  if (!socket) return std::unexpected(socket.error().message());
  return Client(std::move(*socket));
}

/// What is known of the last mirrorfs at the mount point.
std::string what_was_there(const std::string& mount) {
  const auto record = read_mount_record(mount);
  if (!record) return "";
  const std::string time = time_in_words(record->time);
  if (record->state == "complete") {
    return fmt::format("; the last one ended at {}, and '{}' is complete", time, record->replica);
  }
  if (record->state == "incomplete") {
    return fmt::format("; the last one ended at {}, and '{}' is not complete: {}", time,
                       record->replica, record->cause);
  }
  return fmt::format("; the last one was mounted at {} and has died: '{}' may not be complete",
                     time, record->replica);
}

std::string why_not_found(const std::string& mount) {
  const auto entry = find_mount(mount);
  if (!entry || !entry->is_mirrorfs()) {
    return fmt::format("'{}' is not the mount point of a running mirrorfs{}", mount,
                       what_was_there(mount));
  }
  if (entry->owner != geteuid() && geteuid() != 0) {
    return fmt::format("'{}' was mounted by another user (uid {}); only that user and root may ask",
                       mount, entry->owner);
  }
  return fmt::format("'{}' is mounted but its daemon is gone; unmount it (umount '{}')", mount,
                     mount);
}

}  // namespace

Result<UniqueFd> connect_to(int directory, std::string_view name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_address(directory, name);
  if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "connect", name);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket");
  // A daemon that is stopped, and whose queue of clients is full, would hold up connect(2) for
  // ever.
  constexpr timeval kPatience{.tv_sec = 3, .tv_usec = 0};
  if (setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience) != 0) {
    return fail_errno("setsockopt");
  }
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno("connect", name);
  }
  return socket;
}

std::expected<Client::Answer, std::string> Client::ask(const nlohmann::json& request,
                                                       Timeout timeout) {
  if (auto sent = write_line(socket_.get(), request.dump(), timeout); !sent) {
    return std::unexpected("the daemon does not accept requests: " + sent.error().message());
  }
  auto line = read_line(socket_.get(), timeout, kLongestAnswer);
  if (!line) {
    return std::unexpected(line.error().code == ECONNRESET
                               ? std::string("the daemon ended the conversation")
                               : "the daemon did not answer: " + line.error().message());
  }
  const auto answer = nlohmann::json::parse(line->text, nullptr, false);
  if (!answer.is_object()) return std::unexpected("the daemon's answer cannot be read");
  if (!answer.value("ok", false)) {
    return std::unexpected(answer.value("error", std::string("the daemon refused")));
  }
  return Answer{std::move(line->text), std::move(line->descriptors)};
}

uid_t Client::peer() const {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return static_cast<uid_t>(-1);
  }
  return credentials.uid;
}

std::expected<Client, std::string> connect_to_mount(const stdfs::path& mount) {
  // realpath(3) only reads links, so a mount whose daemon hangs does not hang the caller.
  std::error_code error;
  // A trailing slash would ask the mount itself.
  const std::size_t end = mount.native().find_last_not_of('/');
  const stdfs::path path =
      stdfs::canonical(mount.native().substr(0, std::max<std::size_t>(end + 1, 1)), error);
  if (error) return std::unexpected(fmt::format("'{}': {}", mount.native(), error.message()));
  const std::string name = socket_name(path.native());
  for (const stdfs::path& directory : socket_directories_to_search()) {
    if (auto client = connect_in(directory, name)) return client;
  }
  return std::unexpected(why_not_found(path.native()));
}

std::vector<NamedClient> connect_to_all() {
  std::map<std::string, std::string> mounts;
  for (const MountRecord& record : all_mount_records()) {
    mounts[socket_name(record.mount)] = record.mount;
  }
  std::vector<NamedClient> clients;
  for (const stdfs::path& directory : socket_directories_to_search()) {
    std::error_code ignored;
    std::vector<std::string> names;
    for (const auto& entry : stdfs::directory_iterator(directory, ignored)) {
      if (entry.path().extension() == ".sock") names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    for (const std::string& name : names) {
      auto client = connect_in(directory, name);
      if (!client) continue;
      const auto mount = mounts.find(name);
      clients.push_back({mount == mounts.end() ? name : mount->second, std::move(*client)});
    }
  }
  return clients;
}

}  // namespace mirrorfs::control
