#include "strangers.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "drawing.h"
#include "mirrorfs/mirror.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::simulation {
namespace {

struct Found {
  std::string path;
  bool is_directory;
};

std::vector<Found> list(int root, const std::string& directory) {
  std::vector<Found> found;
  const int fd = ::openat(root, directory.empty() ? "." : directory.c_str(),
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return found;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
  while (const dirent* const entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || (directory.empty() && name == kReservedName)) continue;
    found.push_back({directory.empty() ? name : directory + "/" + name, entry->d_type == DT_DIR});
  }
  std::ranges::sort(found, {}, &Found::path);
  return found;
}

/// Everything below; what it calls may say not to go further down.
void visit(int root, const std::string& directory, const std::function<bool(const Found&)>& call) {
  for (const Found& found : list(root, directory)) {
    if (call(found) && found.is_directory) visit(root, found.path, call);
  }
}

std::optional<struct stat> look(int root, const std::string& path) {
  struct stat status{};
  if (::fstatat(root, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return status;
}

std::string content_of(int root, const std::string& path) {
  const UniqueFd fd(::openat(root, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  std::array<char, 64> bytes;
  const ssize_t size = ::read(fd.get(), bytes.data(), bytes.size());
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

void remove_all(int root, const std::string& path) {
  for (const Found& found : list(root, path)) {
    if (found.is_directory) remove_all(root, found.path);
    ::unlinkat(root, found.path.c_str(), 0);
  }
  ::unlinkat(root, path.c_str(), AT_REMOVEDIR);
}

constexpr mode_t kMode = 0604;
constexpr timespec kTime{.tv_sec = 1'234'567'890, .tv_nsec = 12345};

}  // namespace

bool holds_only_excluded(int root, const std::string& directory, const GitRules& rules) {
  bool any = false;
  for (const Found& found : list(root, directory)) {
    if (rules.excludes(found.path, found.is_directory)) {
      any = true;
    } else if (!found.is_directory || !holds_only_excluded(root, found.path, rules)) {
      return false;
    } else {
      any = true;
    }
  }
  return any;
}

/// Nobody's times move but those of what is new.
bool Strangers::plant_one(const std::string& path, bool with_parents) {
  const std::string parent = parent_of(path);
  if (parent != "." && !look(root_, parent)) {
    if (!with_parents || !plant_one(parent, true)) return false;
  }
  const auto above = look(root_, parent);
  if (!above || !S_ISDIR(above->st_mode) || ::mkdirat(root_, path.c_str(), 0711) != 0) return false;
  const timespec times[2] = {above->st_atim, above->st_mtim};
  return ::utimensat(root_, parent.c_str(), times, 0) == 0;
}

std::vector<std::string> Strangers::plant(const Plan& plan, const GitRules& rules, Random& random,
                                          bool with_parents) {
  std::vector<std::string> planted;
  for (unsigned tries = 0; tries < 12 && planted.size() < 3; ++tries) {
    std::string path = joined(draw_path_of(random, plan));
    const bool as_directory = random.chance(1, 2);
    if (!rules.excludes(path, as_directory) || look(root_, path)) continue;
    if (as_directory) {
      if (!plant_one(path, with_parents)) continue;
      path += "/s";
    } else if (parent_of(path) != "." && !look(root_, parent_of(path))) {
      if (!with_parents || !plant_one(parent_of(path), true)) continue;
    }
    const auto above = look(root_, parent_of(path));
    if (!above || !S_ISDIR(above->st_mode)) continue;
    const UniqueFd fd(::openat(root_, path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    const std::string content = fmt::format("stranger {}", ++planted_);
    const timespec own[2] = {kTime, kTime};
    struct stat status{};
    if (!fd || ::pwrite(fd.get(), content.data(), content.size(), 0) < 0) continue;
    if (::fchmod(fd.get(), kMode) != 0 || ::futimens(fd.get(), own) != 0) continue;
    if (::fstat(fd.get(), &status) != 0) continue;
    const timespec times[2] = {above->st_atim, above->st_mtim};
    ::utimensat(root_, parent_of(path).c_str(), times, 0);
    all_.push_back({status.st_ino, content});
    planted.push_back(path);
  }
  return planted;
}

bool Strangers::is_as_it_was(const Stranger& stranger, const std::string& path) const {
  const auto status = look(root_, path);
  return content_of(root_, path) == stranger.content && status &&
         (status->st_mode & 07777U) == kMode && status->st_nlink == 1 &&
         status->st_mtim.tv_sec == kTime.tv_sec && status->st_mtim.tv_nsec == kTime.tv_nsec;
}

void Strangers::forget_others(const GitRules& rules) {
  std::map<std::uint64_t, std::string> paths;
  visit(root_, {}, [&](const Found& found) {
    const auto status = look(root_, found.path);
    if (status && S_ISREG(status->st_mode)) paths[status->st_ino] = found.path;
    return true;
  });
  std::erase_if(all_, [&](const Stranger& stranger) {
    const auto path = paths.find(stranger.inode);
    return path == paths.end() || !is_as_it_was(stranger, path->second) ||
           !rules.excludes(path->second, false);
  });
}

std::optional<std::string> Strangers::lost() const {
  if (all_.empty()) return std::nullopt;
  std::map<std::uint64_t, std::string> paths;
  visit(root_, {}, [&](const Found& found) {
    const auto status = look(root_, found.path);
    if (status && S_ISREG(status->st_mode)) paths[status->st_ino] = found.path;
    return true;
  });
  for (const Stranger& stranger : all_) {
    const auto found = paths.find(stranger.inode);
    if (found == paths.end()) return "'" + stranger.content + "' is gone";
    if (!is_as_it_was(stranger, found->second)) {
      return "'" + stranger.content + "' at " + found->second + " was changed";
    }
  }
  return std::nullopt;
}

std::vector<std::string> Strangers::clear_the_way(int source_root, const GitRules& rules) {
  std::vector<std::string> cleared;
  visit(source_root, {}, [&](const Found& found) {
    const auto there = look(root_, found.path);
    const bool blocked = !found.is_directory && !rules.excludes(found.path, false) && there &&
                         S_ISDIR(there->st_mode) && !rules.excludes(found.path, true) &&
                         holds_only_excluded(root_, found.path, rules);
    if (blocked) {
      remove_all(root_, found.path);
      cleared.push_back(found.path);
    }
    return !rules.excludes(found.path, found.is_directory);
  });
  if (!cleared.empty()) forget_others(rules);
  return cleared;
}

}  // namespace mirrorfs::simulation
