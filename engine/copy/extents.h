// Where a file has data and where it has holes.
#pragma once

#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/types.h"

namespace mirrorfs::copy {

using Extents = std::vector<ByteRange>;  ///< ascending, disjoint, not empty ranges

/// The parts of `within` that hold data, by SEEK_DATA and SEEK_HOLE (lseek(2)); all of it where the
/// filesystem does not say. Direct calls: there is no opcode. Moves the descriptor's offset.
[[nodiscard]] Result<Extents> data_extents(int fd, ByteRange within);

/// The bytes in either.
[[nodiscard]] Extents united(const Extents& a, const Extents& b);
/// The bytes in `a` but not in `b`.
[[nodiscard]] Extents without(const Extents& a, const Extents& b);
/// `extents` cut into ranges of at most `most` bytes.
[[nodiscard]] Extents in_pieces(const Extents& extents, std::uint64_t most);

}  // namespace mirrorfs::copy
