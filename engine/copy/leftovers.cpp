#include "engine/copy/leftovers.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <vector>

#include "engine/objects/listing.h"
#include "mirrorfs/object_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::copy {
namespace {

UniqueFd open_folder(int dirfd, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  UniqueFd fd(calls::open_beneath(dirfd, name, kFlags));
  if (fd.get() != -EACCES) return fd;
  // An ordinary user's own directory without permissions; the folder is ours, so no name is swapped
  // in it.
  if (::fchmodat(dirfd, name, 0700, 0) == 0) fd.reset(calls::open_beneath(dirfd, name, kFlags));
  return fd;
}

/// Empties and removes the directory `name`; what is a directory in it moves up, its new name to
/// `found`.
void remove_directory(int folder, const std::string& name, unsigned& counter,
                      std::vector<std::string>& found) {
  const UniqueFd directory = open_folder(folder, name.c_str());
  if (!directory) return;
  if (::fchmod(directory.get(), 0700) != 0) return;
  for (const std::string& child : names_in(directory.get())) {
    if (::unlinkat(directory.get(), child.c_str(), 0) == 0 || errno != EISDIR) continue;
    std::string moved = "leftover-" + std::to_string(counter++);
    // To move a directory its owner needs write permission on it (rename(2)).
    if (::fchmodat(directory.get(), child.c_str(), 0700, 0) != 0) continue;
    if (::renameat2(directory.get(), child.c_str(), folder, moved.c_str(), RENAME_NOREPLACE) == 0) {
      found.push_back(std::move(moved));
    }
  }
  static_cast<void>(::unlinkat(folder, name.c_str(), AT_REMOVEDIR));
}

}  // namespace

std::vector<std::string> names_in(int dirfd) {
  std::vector<std::string> names;
  const UniqueFd own(calls::open_beneath(dirfd, ".", O_RDONLY | O_DIRECTORY));
  if (!own) return names;
  Result<std::vector<objects::Dirent>> listed = objects::list_directory_now(own.get());
  if (!listed) return names;
  for (objects::Dirent& entry : *listed) names.push_back(std::move(entry.name));
  return names;
}

void remove_leftovers(int folder) {
  std::vector<std::string> names = names_in(folder);
  unsigned counter = 0;
  while (!names.empty()) {
    const std::string name = std::move(names.back());
    names.pop_back();
    if (::unlinkat(folder, name.c_str(), 0) == 0 || errno != EISDIR) continue;
    remove_directory(folder, name, counter, names);
  }
}

}  // namespace mirrorfs::copy
