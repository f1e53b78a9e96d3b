#include "playground.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

namespace mirrorfs::simulation {
namespace {

/// Also what has no permissions, since the simulation runs as root.
void empty(int directory) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(copy), ::closedir);
  if (!listing) throw std::system_error(errno, std::generic_category(), "fdopendir");
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entry->d_type != DT_DIR) {
      ::unlinkat(directory, entry->d_name, 0);
      continue;
    }
    {
      const UniqueFd below(::openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (below) empty(below.get());
    }
    ::unlinkat(directory, entry->d_name, AT_REMOVEDIR);
  }
}

std::string make_base() {
  const bool shared_memory = ::access("/dev/shm", W_OK) == 0;
  std::string pattern =
      (shared_memory ? std::string("/dev/shm") : std::filesystem::temp_directory_path().string()) +
      "/mirrorfs-simulation-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp");
  }
  return pattern;
}

std::vector<int> open_descriptors() {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename().string());
    if (::fcntl(fd, F_GETFD) >= 0) found.push_back(fd);
  }
  std::ranges::sort(found);
  // The last is the listing's own.
  std::erase_if(found, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; });
  return found;
}

}  // namespace

Playground::Playground()
    : base_(make_base()),
      source_(base_ + "/source"),
      replica_(base_ + "/replica"),
      state_(base_ + "/state"),
      fd_(::open(base_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  keep_open_descriptors();
}

Playground::~Playground() {
  empty(fd_.get());
  ::rmdir(base_.c_str());
}

void Playground::keep_open_descriptors() { open_before_ = open_descriptors(); }

void Playground::close_all_but(std::vector<int> kept) const {
  kept.insert(kept.end(), open_before_.begin(), open_before_.end());
  std::ranges::sort(kept);
  unsigned next = 0;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > next) ::close_range(next, number - 1, 0);
    next = number + 1;
  }
  ::close_range(next, ~0U, 0);
}

void Playground::reset() {
  empty(fd_.get());
  for (const std::string& directory : {source_, replica_, state_}) {
    if (::mkdir(directory.c_str(), 0755) != 0) {
      throw std::system_error(errno, std::generic_category(), "mkdir");
    }
  }
}

}  // namespace mirrorfs::simulation
