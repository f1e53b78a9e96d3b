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
/// One directory by direct calls: start-up only. Any thread.
[[nodiscard]] Result<std::vector<Dirent>> list_directory_now(int dirfd);

}  // namespace mirrorfs::objects
