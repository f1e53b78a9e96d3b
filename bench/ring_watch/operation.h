// What one submission queue entry asks for, as far as names and descriptors go.
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

struct io_uring_sqe;

namespace mirrorfs::bench {

/// One name that an operation resolves.
struct NameUse {
  int dirfd = 0;              ///< AT_FDCWD where the operation has no descriptor to start from
  std::uint64_t address = 0;  ///< of the name, in the submitting process; 0: none
};

struct Operation {
  std::string name;  ///< as the kernel's trace events have it: "OPENAT2"
  std::uint64_t user_data = 0;
  std::vector<NameUse> names;
  std::optional<int> fd;       ///< the file it works on, where that is a plain descriptor
  std::uint32_t flags = 0;     ///< AT_*, O_* or RENAME_*: whatever the operation takes
  std::uint64_t open_how = 0;  ///< address of struct open_how; openat2 only
};

/// Decodes an entry copied from the submission queue. Layout: io_uring_enter(2). Any thread.
[[nodiscard]] Operation decode(const io_uring_sqe& entry);

}  // namespace mirrorfs::bench
