#include "engine/journal/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

Result<std::optional<std::string>> read_small_file(int directory, const char* name) {
  const UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    return fail_errno("open", name);
  }
  std::string content;
  std::array<char, 4096> piece{};
  while (true) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", name);
    if (got == 0) return content;
    content.append(piece.data(), static_cast<std::size_t>(got));
  }
}

namespace {

Result<void> write_new_file(int directory, const std::string& name, std::string_view content,
                            Synced synced) {
  UniqueFd file(::openat(directory, name.c_str(),
                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!file) return fail_errno("open", name);
  while (!content.empty()) {
    const ssize_t put = ::write(file.get(), content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("write", name);
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  if (synced == Synced::kYes && ::fsync(file.get()) != 0) return fail_errno("fsync", name);
  // Network filesystems may tell only here that there was no room (close(2)).
  if (::close(file.release()) != 0) return fail_errno("close", name);
  return {};
}

}  // namespace

Result<void> replace_small_file(int directory, const std::string& name, std::string_view content,
                                Synced synced) {
  const std::string fresh = name + ".new";
  if (auto written = write_new_file(directory, fresh, content, synced); !written) {
    ::unlinkat(directory, fresh.c_str(), 0);
    return written;
  }
  if (::renameat(directory, fresh.c_str(), directory, name.c_str()) != 0) {
    return fail_errno("renameat", name);
  }
  if (synced == Synced::kYes && ::fsync(directory) != 0) return fail_errno("fsync", name);
  return {};
}

Result<void> write_at(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("write");
    bytes.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

}  // namespace mirrorfs::journal
