#include "foreign_edits.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirrorfs/unique_fd.h"
#include "simulated_time.h"

namespace mirrorfs::simulation {
namespace {

std::string draw_path(Random& random) {
  std::string path = fmt::format("n{}", random.below(4));
  if (random.chance(1, 2)) path += fmt::format("/n{}", random.below(4));
  return path;
}

void set_time(int root, const std::string& path) {
  SimulatedTime::advance(std::chrono::microseconds(3));
  const timespec now = SimulatedTime::on(CLOCK_REALTIME);
  const timespec times[2] = {now, now};
  ::utimensat(root, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

bool overwrite(int root, const std::string& path) {
  const UniqueFd fd(::openat(root, path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return fd && ::pwrite(fd.get(), "foreign", 7, 0) == 7;
}

bool create(int root, const std::string& path) {
  const UniqueFd fd(::openat(root, path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  return fd && ::pwrite(fd.get(), "new", 3, 0) == 3;
}

}  // namespace

std::vector<std::string> edit_tree(int root, Random& random) {
  std::vector<std::string> done;
  for (std::size_t count = random.between(1, 4); count > 0; --count) {
    const std::string path = draw_path(random);
    const std::string other = draw_path(random);
    bool changed = false;
    const char* what = "";
    switch (random.below(6)) {
      case 0:
        changed = overwrite(root, path);
        what = "overwrites";
        break;
      case 1:
        changed = create(root, path);
        what = "creates";
        break;
      case 2:
        changed = ::unlinkat(root, path.c_str(), 0) == 0;
        what = "unlinks";
        break;
      case 3:
        changed = ::mkdirat(root, path.c_str(), 0700) == 0;
        what = "makes";
        break;
      case 4:
        changed = ::unlinkat(root, path.c_str(), AT_REMOVEDIR) == 0;
        what = "rmdir";
        break;
      default:
        changed = ::renameat2(root, path.c_str(), root, other.c_str(), 0) == 0;
        what = "renames";
        break;
    }
    if (!changed) continue;
    set_time(root, path);
    done.push_back(fmt::format("{} {} ({})", what, path, other));
  }
  return done;
}

}  // namespace mirrorfs::simulation
