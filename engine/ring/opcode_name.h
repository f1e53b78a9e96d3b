// Names of io_uring's operations, for people and reports.
#pragma once

#include <cstddef>
#include <string>

namespace mirrorfs::ring {

/// In lower case what the kernel prints in its trace events: "openat2", "statx", …;
/// "opcode 77" for one that this program does not use. Any thread.
[[nodiscard]] std::string opcode_name(std::size_t opcode);

}  // namespace mirrorfs::ring
