// Work on the pieces of a large file, several in flight.
#pragma once

#include <cerrno>
#include <optional>

#include "engine/copy/content.h"
#include "engine/copy/extents.h"
#include "engine/ring/sync.h"

namespace mirrorfs::copy {

/// State shared by the pieces of one file. The first error or `stop` ends the work early.
struct PieceRun {
  std::optional<Error> error;
  bool stop = false;
  std::uint64_t written = 0;  ///< bytes

  void failed(Error&& cause) {
    if (!error) error = std::move(cause);
    stop = true;
  }
};

/// Calls `work(range, run)` → Task<void> for each range of at most kPieceSize, as the budget
/// allows. `work` outlives the call.
template <class Work>
ring::Task<void> for_each_piece(ring::Ring& ring, const PieceBudget& budget, Extents extents,
                                PieceRun& run, const Work& work) {
  // Depth per file: enough to keep the disk and both cores busy, small enough that many files
  // share.
  constexpr std::size_t kDepth = 8;
  ring::Semaphore depth(kDepth);
  ring::TaskGroup group(ring);
  const auto one = [](const Work& body, ByteRange range, PieceRun& shared,
                      ring::Permit permit) -> ring::Task<void> {
    const ring::Permit held = std::move(permit);
    ring::Task<void> task = body(range, shared);
    co_await std::move(task);
  };
  for (const ByteRange& extent : extents) {
    for (std::uint64_t at = extent.offset; at < extent.end() && !run.stop; at += kPieceSize) {
      const ByteRange range{at, std::min(kPieceSize, extent.end() - at)};
      ring::Permit permit = co_await depth.acquire();
      if (budget.cancelled()) run.failed({ECANCELED, "copy", {}});
      if (!run.stop) group.spawn(one(work, range, run, std::move(permit)));
    }
  }
  co_await group.join();
}

}  // namespace mirrorfs::copy
