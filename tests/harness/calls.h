// System calls for tests: each throws std::system_error that names the call and the path, so that a
// test body reads as a list of what an application does.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::test {

using Path = std::filesystem::path;

[[noreturn]] void throw_errno(const char* call, const Path& path);

/// Returns `result`; throws when it is negative.
template <class T>
T check(T result, const char* call, const Path& path) {
  if (result < 0) throw_errno(call, path);
  return result;
}

[[nodiscard]] UniqueFd open_file(const Path& path, int flags, mode_t mode = 0644);
void close_file(UniqueFd fd, const Path& path);  ///< reports what close(2) says

/// Creates or truncates.
void write_file(const Path& path, std::string_view content, mode_t mode = 0644);
void append_to(const Path& path, std::string_view content);
void write_at(const Path& path, std::uint64_t offset, std::string_view content);
void write_all(int fd, std::string_view content, const Path& path);
[[nodiscard]] std::string read_file(const Path& path);

void make_directory(const Path& path, mode_t mode = 0755);
void make_symlink(std::string_view target, const Path& path);
void make_link(const Path& existing, const Path& path);
void make_node(const Path& path, mode_t type_and_mode, dev_t device = 0);
void unlink_file(const Path& path);
void remove_directory(const Path& path);
void rename_to(const Path& from, const Path& to, unsigned flags = 0);
void change_mode(const Path& path, mode_t mode);
void change_owner(const Path& path, uid_t owner, gid_t group);               ///< never follows
void set_times(const Path& path, timespec accessed, timespec modified);      ///< never follows
void set_xattr(const Path& path, const char* name, std::string_view value);  ///< never follows
void remove_xattr(const Path& path, const char* name);
void truncate_file(const Path& path, std::uint64_t size);
void sync_file(const Path& path);
[[nodiscard]] struct stat stat_of(const Path& path);  ///< never follows
[[nodiscard]] bool is_there(const Path& path);        ///< never follows

/// `size` bytes that differ with `seed` and do not compress to nothing.
[[nodiscard]] std::string pattern(std::size_t size, unsigned seed);

}  // namespace mirrorfs::test
