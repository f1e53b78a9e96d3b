// The names in one directory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/ring/task.h"
#include "mirrorfs/error.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::objects {

struct Dirent {
  std::string name;
  std::uint64_t ino = 0;
  unsigned char type = 0;  ///< DT_*; DT_UNKNOWN where the filesystem does not say
};

/// All names but "." and "..", sorted bytewise. Starts from the beginning whatever the descriptor's
/// offset, so one descriptor serves one listing at a time. Ring thread; getdents64 runs on a helper
/// thread.
[[nodiscard]] ring::Task<Result<std::vector<Dirent>>> list_directory(ring::Ring& ring, int dirfd);
struct PairListing {
  std::vector<Dirent> source, replica;
};

/// Lists two directories in one go, the source's first; -1: there is no replica directory to list.
[[nodiscard]] ring::Task<Result<PairListing>> list_pair(ring::Ring& ring, int source, int replica);
/// Names of two directories, sorted bytewise.
struct SomeNames {
  std::vector<std::string> source, replica;
  std::string next;  ///< where to go on; empty: these are all
};

/// The first names of both from `from` on, about `most` of each: those that are not listed come
/// behind. So a directory of any size takes a bounded amount of memory. `replica` -1: none.
[[nodiscard]] ring::Task<Result<SomeNames>> list_some(ring::Ring& ring, int source, int replica,
                                                      std::string from, std::size_t most);
/// The first `most` names from `from` on of what may be directories.
[[nodiscard]] ring::Task<Result<std::vector<std::string>>> list_directories(ring::Ring& ring,
                                                                            int dirfd,
                                                                            std::string from,
                                                                            std::size_t most);
/// The name that comes next in order.
[[nodiscard]] inline std::string name_behind(std::string name) {
  name.push_back('\0');
  return name;
}

/// One directory by direct calls: start-up only. Any thread.
[[nodiscard]] Result<std::vector<Dirent>> list_directory_now(int dirfd);

}  // namespace mirrorfs::objects
