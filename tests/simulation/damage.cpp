#include "damage.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string_view>

#include "mirrorfs/mirror.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::simulation {
namespace {

void collect(int root, const std::string& directory, std::set<std::string>& paths) {
  const int fd = ::openat(root, directory.empty() ? "." : directory.c_str(),
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
  while (const dirent* const entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || (directory.empty() && name == kReservedName)) continue;
    std::string path = directory.empty() ? std::string(name) : directory + "/" + std::string(name);
    if (entry->d_type == DT_DIR) collect(root, path, paths);
    paths.insert(std::move(path));
  }
}

bool rot(int root, const std::string& path, const struct stat& before, Random& random) {
  if (!S_ISREG(before.st_mode) || before.st_size == 0) return false;
  const UniqueFd fd(::openat(root, path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  const auto at = static_cast<off_t>(random.below(static_cast<std::size_t>(before.st_size)));
  char byte = 0;
  if (!fd || ::pread(fd.get(), &byte, 1, at) != 1) return false;
  byte = static_cast<char>(byte ^ 0x55);
  if (::pwrite(fd.get(), &byte, 1, at) != 1) return false;
  const timespec times[2] = {before.st_atim, before.st_mtim};
  return ::futimens(fd.get(), times) == 0;
}

}  // namespace

std::vector<std::string> all_paths(int source_root, int replica_root) {
  std::set<std::string> paths = {std::string()};
  collect(source_root, {}, paths);
  collect(replica_root, {}, paths);
  return {paths.begin(), paths.end()};
}

std::string damage_tree(int root, Random& random) {
  std::set<std::string> found;
  collect(root, {}, found);
  if (found.empty()) return {};
  const std::vector<std::string> paths(found.begin(), found.end());
  const std::string& path = paths[random.below(paths.size())];
  struct stat before{};
  if (::fstatat(root, path.c_str(), &before, AT_SYMLINK_NOFOLLOW) != 0) return {};
  const std::size_t kind = random.below(8);
  if (kind < 4) return rot(root, path, before, random) ? "rots " + path : std::string();
  if (kind == 4 && !S_ISLNK(before.st_mode)) {
    const mode_t mode = (before.st_mode & 07777U) ^ 0010U;
    return ::fchmodat(root, path.c_str(), mode, 0) == 0 ? "chmods " + path : std::string();
  }
  if (kind == 5 && !S_ISDIR(before.st_mode)) {
    return ::unlinkat(root, path.c_str(), 0) == 0 ? "unlinks " + path : std::string();
  }
  const std::string made = fmt::format("n{}", random.below(5));
  const UniqueFd fd(::openat(root, made.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640));
  return fd ? "creates " + made : std::string();
}

}  // namespace mirrorfs::simulation
