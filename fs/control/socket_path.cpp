#include "fs/control/socket_path.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <system_error>

namespace mirrorfs::control {
namespace {

namespace stdfs = std::filesystem;

constexpr std::size_t kLongestName = 80;  // leaves room for /proc/self/fd/N/ in 107 bytes
constexpr std::string_view kSuffix = ".sock";

/// FNV-1a, 64 bits.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char character : text) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3ULL;
  }
  return hash;
}

bool is_plain(char character) {
  return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
         (character >= 'A' && character <= 'Z') || character == '_' || character == '.' ||
         character == '+' || character == '@';
}

std::string escape(std::string_view path) {
  std::string escaped;
  for (const char character : path) {
    if (character == '/') {
      escaped += '-';
    } else if (is_plain(character)) {
      escaped += character;
    } else {
      escaped += fmt::format("%{:02x}", static_cast<unsigned char>(character));
    }
  }
  return escaped;
}

stdfs::path runtime_directory_of(uid_t uid) { return fmt::format("/run/user/{}/mirrorfs", uid); }
stdfs::path temporary_directory_of(uid_t uid) { return fmt::format("/tmp/mirrorfs-{}", uid); }

/// $XDG_RUNTIME_DIR counts only if it is ours: su and sudo may leave another user's behind.
stdfs::path runtime_directory_from_environment() {
  const char* const value = std::getenv("XDG_RUNTIME_DIR");
  struct stat status{};
  if (value == nullptr || value[0] != '/') return {};
  if (stat(value, &status) != 0 || status.st_uid != geteuid()) return {};
  return stdfs::path(value) / "mirrorfs";
}

/// mirrorfs directories of all users, by where they can be.
void append_those_of_users(std::vector<stdfs::path>& directories) {
  std::error_code ignored;
  for (const auto& entry : stdfs::directory_iterator("/run/user", ignored)) {
    directories.push_back(entry.path() / "mirrorfs");
  }
  for (const auto& entry : stdfs::directory_iterator("/tmp", ignored)) {
    if (entry.path().filename().native().starts_with("mirrorfs-")) {
      directories.push_back(entry.path());
    }
  }
}

}  // namespace

std::string socket_name(std::string_view mount_path) {
  std::string_view inner = mount_path;
  if (inner.starts_with('/')) inner.remove_prefix(1);
  std::string name = escape(inner);
  if (name.empty()) name = "-";
  if (name.size() + kSuffix.size() > kLongestName) {
    // No escaped path has a % followed by h, so a cut name is never that of another path.
    const std::string head = fmt::format("%h{:016x}", hash_of(mount_path));
    const std::size_t room = kLongestName - kSuffix.size() - head.size() - 1;
    name = fmt::format("{}-{}", head, name.substr(name.size() - room));
  }
  return name.append(kSuffix);
}

stdfs::path own_socket_directory() {
  if (geteuid() == 0) return "/run/mirrorfs";
  const stdfs::path runtime = runtime_directory_from_environment();
  return runtime.empty() ? temporary_directory_of(geteuid()) : runtime;
}

std::vector<stdfs::path> socket_directories_to_search() {
  std::vector<stdfs::path> directories{own_socket_directory()};
  if (geteuid() == 0) {
    append_those_of_users(directories);
    return directories;
  }
  for (const stdfs::path& other :
       {runtime_directory_of(geteuid()), temporary_directory_of(geteuid())}) {
    if (std::ranges::find(directories, other) == directories.end()) directories.push_back(other);
  }
  return directories;
}

Result<UniqueFd> open_socket_directory(const stdfs::path& directory, uid_t owner) {
  UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!fd || fstat(fd.get(), &status) != 0) return fail_errno("open", directory.native());
  const bool trusted = status.st_uid == owner || status.st_uid == 0;
  if (!trusted || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(EPERM, "open", directory.native());
  }
  return fd;
}

Result<UniqueFd> make_socket_directory(const stdfs::path& directory) {
  if (mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return fail_errno("mkdir", directory.native());
  }
  return open_socket_directory(directory, geteuid());
}

std::string socket_address(int directory, std::string_view name) {
  return fmt::format("/proc/self/fd/{}/{}", directory, name);
}

}  // namespace mirrorfs::control
