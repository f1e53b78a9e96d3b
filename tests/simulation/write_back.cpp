#include "write_back.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::simulation {
namespace {

std::string content_of(int fd, const struct stat& status) {
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  const ssize_t got = ::pread(fd, content.data(), content.size(), 0);
  content.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return content;
}

}  // namespace

template <class Visit>
void WriteBack::each_file(const Visit& visit) const {
  const auto walk = [&](const auto& self, int parent, const char* name) -> void {
    const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd), ::closedir);
    while (const dirent* entry = ::readdir(listing.get())) {
      const std::string_view found = entry->d_name;
      if (found == "." || found == "..") continue;
      if (entry->d_type == DT_DIR) self(self, fd, entry->d_name);
      // The pair's own records are synced one by one.
      if (entry->d_type != DT_REG || found == "pair" || found == "lock") continue;
      const UniqueFd file(::openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
      struct stat status{};
      if (file && ::fstat(file.get(), &status) == 0) visit(fd, entry->d_name, file.get(), status);
    }
  };
  walk(walk, replica_root_, ".");
}

void WriteBack::succeeded() {
  std::map<std::uint64_t, std::string> now;
  each_file([&](int, const char*, int fd, const struct stat& status) {
    const bool lost = lost_.contains(status.st_ino);
    now[status.st_ino] = lost ? on_disk_[status.st_ino] : content_of(fd, status);
  });
  on_disk_ = std::move(now);
}

void WriteBack::succeeded(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || lost_.contains(status.st_ino)) {
    return;
  }
  on_disk_[status.st_ino] = content_of(fd, status);
}

void WriteBack::failed() {
  each_file([&](int, const char*, int fd, const struct stat& status) {
    const auto [known, fresh] = on_disk_.try_emplace(status.st_ino);
    if (known->second != content_of(fd, status)) lost_.insert(status.st_ino);
  });
}

void WriteBack::written(int fd) {
  struct stat status{};
  if (!lost_.empty() && ::fstat(fd, &status) == 0) lost_.erase(status.st_ino);
}

unsigned WriteBack::drop_cache() {
  unsigned changed = 0;
  each_file([&](int parent, const char* name, int, const struct stat& status) {
    if (!lost_.contains(status.st_ino)) return;
    const UniqueFd file(::openat(parent, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
    show_disk(file.get(), status);
    ++changed;
  });
  return changed;
}

void WriteBack::drop_cache(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !lost_.contains(status.st_ino)) return;
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  show_disk(file.get(), status);
}

/// What the disk has, in the size that the inode has; neither touches the times.
void WriteBack::show_disk(int fd, const struct stat& status) {
  lost_.erase(status.st_ino);
  std::string content = on_disk_[status.st_ino];
  content.resize(static_cast<std::size_t>(status.st_size));
  if (::pwrite(fd, content.data(), content.size(), 0) < 0) return;
  const timespec times[2] = {status.st_atim, status.st_mtim};
  ::futimens(fd, times);
}

}  // namespace mirrorfs::simulation
