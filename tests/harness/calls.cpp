#include "calls.h"

#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace mirrorfs::test {

void throw_errno(const char* call, const Path& path) {
  throw std::system_error(errno, std::generic_category(), call + (" " + path.string()));
}

UniqueFd open_file(const Path& path, int flags, mode_t mode) {
  // O_NONBLOCK matters for FIFOs only: a test must not wait for their other end.
  return UniqueFd(check(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, mode), "open", path));
}

void close_file(UniqueFd fd, const Path& path) { check(::close(fd.release()), "close", path); }

void write_all(int fd, std::string_view content, const Path& path) {
  while (!content.empty()) {
    const auto written = check(::write(fd, content.data(), content.size()), "write", path);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

void write_file(const Path& path, std::string_view content, mode_t mode) {
  UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  write_all(fd.get(), content, path);
  close_file(std::move(fd), path);
}

void append_to(const Path& path, std::string_view content) {
  UniqueFd fd = open_file(path, O_WRONLY | O_APPEND);
  write_all(fd.get(), content, path);
  close_file(std::move(fd), path);
}

void write_at(const Path& path, std::uint64_t offset, std::string_view content) {
  UniqueFd fd = open_file(path, O_WRONLY);
  check(::lseek(fd.get(), static_cast<off_t>(offset), SEEK_SET), "lseek", path);
  write_all(fd.get(), content, path);
  close_file(std::move(fd), path);
}

std::string read_file(const Path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  std::string content;
  std::string block(1 << 16, '\0');
  while (const auto got = check(::read(fd.get(), block.data(), block.size()), "read", path)) {
    content.append(block, 0, static_cast<std::size_t>(got));
  }
  return content;
}

void make_directory(const Path& path, mode_t mode) {
  check(::mkdir(path.c_str(), mode), "mkdir", path);
}

void make_symlink(std::string_view target, const Path& path) {
  check(::symlink(std::string(target).c_str(), path.c_str()), "symlink", path);
}

void make_link(const Path& existing, const Path& path) {
  check(::linkat(AT_FDCWD, existing.c_str(), AT_FDCWD, path.c_str(), 0), "link", path);
}

void make_node(const Path& path, mode_t type_and_mode, dev_t device) {
  check(::mknod(path.c_str(), type_and_mode, device), "mknod", path);
}

void unlink_file(const Path& path) { check(::unlink(path.c_str()), "unlink", path); }

void remove_directory(const Path& path) { check(::rmdir(path.c_str()), "rmdir", path); }

void rename_to(const Path& from, const Path& to, unsigned flags) {
  check(::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags), "rename", from);
}

void change_mode(const Path& path, mode_t mode) {
  check(::chmod(path.c_str(), mode), "chmod", path);
}

void change_owner(const Path& path, uid_t owner, gid_t group) {
  check(::lchown(path.c_str(), owner, group), "lchown", path);
}

void set_times(const Path& path, timespec accessed, timespec modified) {
  const timespec times[] = {accessed, modified};
  check(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), "utimensat", path);
}

void set_xattr(const Path& path, const char* name, std::string_view value) {
  check(::lsetxattr(path.c_str(), name, value.data(), value.size(), 0), "setxattr", path);
}

void remove_xattr(const Path& path, const char* name) {
  check(::lremovexattr(path.c_str(), name), "removexattr", path);
}

void truncate_file(const Path& path, std::uint64_t size) {
  check(::truncate(path.c_str(), static_cast<off_t>(size)), "truncate", path);
}

void sync_file(const Path& path) {
  UniqueFd fd = open_file(path, O_RDONLY);
  check(::fsync(fd.get()), "fsync", path);
}

struct stat stat_of(const Path& path) {
  struct stat status{};
  check(::lstat(path.c_str(), &status), "lstat", path);
  return status;
}

bool is_there(const Path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

std::string pattern(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

}  // namespace mirrorfs::test
