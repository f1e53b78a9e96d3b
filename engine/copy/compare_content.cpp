// compare_content(), compare_uncached() and update_content_in_place(): two files side by side,
// piece by piece.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "engine/copy/content.h"
#include "engine/copy/extents.h"
#include "engine/copy/piece_work.h"
#include "engine/replica/writer.h"
#include "engine/ring/ring.h"

namespace mirrorfs::copy {
namespace {

constexpr std::uint64_t kBlock = 4096;  // bytes: what differs is written in whole blocks

// One piece holds the bytes of both files, so that a piece never waits for a second one.
constexpr std::uint64_t kHalf = kPieceSize / 2;

struct Pair {
  std::span<std::byte> source, replica;
};

/// Reads `range` of both files; what lies behind the end of one reads as zeros.
ring::Task<Result<Pair>> read_pair(ring::Ring& ring, int source, int replica, ByteRange range,
                                   std::byte* buffer) {
  const Pair pair{{buffer, range.length}, {buffer + kHalf, range.length}};
  Result<std::size_t> ours = co_await ring.read_all_at(source, pair.source, range.offset);
  if (!ours) co_return pass_on(std::move(ours));
  Result<std::size_t> theirs = co_await ring.read_all_at(replica, pair.replica, range.offset);
  if (!theirs) co_return pass_on(std::move(theirs));
  std::ranges::fill(pair.source.subspan(*ours), std::byte{});
  std::ranges::fill(pair.replica.subspan(*theirs), std::byte{});
  co_return pair;
}

bool equal(const Pair& pair) {
  return std::memcmp(pair.source.data(), pair.replica.data(), pair.source.size()) == 0;
}

/// The blocks from the first to the last that differ, within the piece; empty when none does.
ByteRange differing_blocks(const Pair& pair) {
  const std::uint64_t size = pair.source.size();
  const auto same = [&](std::uint64_t at) {
    return std::memcmp(pair.source.data() + at, pair.replica.data() + at,
                       std::min(kBlock, size - at)) == 0;
  };
  std::uint64_t begin = 0;
  while (begin < size && same(begin)) begin += kBlock;
  if (begin >= size) return {};
  std::uint64_t last = (size - 1) / kBlock * kBlock;
  while (last > begin && same(last)) last -= kBlock;
  return {begin, std::min(last + kBlock, size) - begin};
}

/// Both files' data in `within`, for comparing: what is a hole in both need not be read.
Result<Extents> either_data(int a, int b, ByteRange within) {
  Result<Extents> first = data_extents(a, within);
  if (!first) return first;
  Result<Extents> second = data_extents(b, within);
  if (!second) return second;
  return united(*first, *second);
}

/// cachestat(2), which the C library does not have (Linux 6.5).
struct CacheRange {
  std::uint64_t offset, length;
};
struct CachedPages {
  std::uint64_t cached, dirty, in_write_back, evicted, recently_evicted;
};

/// Whether somebody has read or written there lately; where the kernel does not tell, yes.
bool is_cached(int fd, ByteRange range) {
#ifdef SYS_cachestat
  constexpr long kCall = SYS_cachestat;
#else
  constexpr long kCall = 451;  // on every architecture
#endif
  CacheRange asked{range.offset, range.length};
  CachedPages pages{};
  if (::syscall(kCall, fd, &asked, &pages, 0U) != 0) return true;
  return pages.cached > 0;
}

/// One piece, as compare_uncached() has it.
ring::Task<Result<bool>> compare_piece(ring::Ring& ring, int source, int replica, ByteRange range,
                                       std::byte* buffer) {
  const bool cached = is_cached(source, range);
  Result<void> dropped = co_await ring.fadvise(replica, range, POSIX_FADV_DONTNEED);
  if (!dropped) co_return pass_on(std::move(dropped));
  Result<Pair> pair = co_await read_pair(ring, source, replica, range, buffer);
  if (!pair) co_return pass_on(std::move(pair));
  dropped = co_await ring.fadvise(replica, range, POSIX_FADV_DONTNEED);
  if (dropped && !cached) dropped = co_await ring.fadvise(source, range, POSIX_FADV_DONTNEED);
  if (!dropped) co_return pass_on(std::move(dropped));
  co_return equal(*pair);
}

ring::Task<Result<bool>> compare_small(ring::Ring& ring, int source, int replica,
                                       std::uint64_t size) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kHalf + size);
  Result<Pair> pair = co_await read_pair(ring, source, replica, {0, size}, buffer.get());
  if (!pair) co_return pass_on(std::move(pair));
  co_return equal(*pair);
}

/// Gives back to the filesystem what is a hole in the source and data in the replica.
ring::Task<Result<void>> punch_holes(replica::Writer& writer, int from, int replica,
                                     ByteRange within) {
  Result<Extents> theirs = data_extents(replica, within);
  if (!theirs) co_return pass_on(std::move(theirs));
  Result<Extents> ours = data_extents(from, within);
  if (!ours) co_return pass_on(std::move(ours));
  for (const ByteRange& hole : without(*theirs, *ours)) {
    Result<void> punched =
        co_await writer.allocate(replica, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, hole);
    // The content is right already: a filesystem that cannot punch only keeps the blocks.
    if (!punched && punched.error().code != EOPNOTSUPP) co_return punched;
  }
  co_return Result<void>{};
}

}  // namespace

ring::Task<Result<bool>> compare_content(ring::Ring& ring, int source, int replica,
                                         std::uint64_t size, PieceBudget& budget) {
  if (size == 0) co_return true;
  if (size <= kSmallFile) {
    if (budget.is_paced()) co_await budget.pace(size);
    ring::Task<Result<bool>> small = compare_small(ring, source, replica, size);
    co_return co_await std::move(small);
  }
  Result<Extents> extents = either_data(source, replica, {0, size});
  if (!extents) co_return pass_on(std::move(extents));
  const auto compare_piece = [&ring, source, replica, &budget](ByteRange range,
                                                               PieceRun& run) -> ring::Task<void> {
    if (budget.is_paced()) co_await budget.pace(range.length);
    const PieceBudget::Piece piece = co_await budget.acquire();
    Result<Pair> pair = co_await read_pair(ring, source, replica, range, piece.data());
    if (!pair) co_return run.failed(std::move(pair.error()));
    if (!equal(*pair)) run.stop = true;
  };
  PieceRun run;
  co_await for_each_piece(ring, budget, in_pieces(*extents, kHalf), run, compare_piece);
  if (run.error) co_return std::unexpected(std::move(*run.error));
  co_return !run.stop;
}

ring::Task<Result<bool>> compare_uncached(ring::Ring& ring, int source, int replica,
                                          std::uint64_t size, const Pace& pace) {
  constexpr std::uint64_t kWindow = 64ULL << 20;  // bounds the list of extents
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(2 * kHalf);
  for (std::uint64_t at = 0; at < size; at += kWindow) {
    Result<Extents> extents = either_data(source, replica, {at, std::min(kWindow, size - at)});
    if (!extents) co_return pass_on(std::move(extents));
    for (const ByteRange& range : in_pieces(*extents, kHalf)) {
      const bool go_on = co_await pace(range.length);
      if (!go_on) co_return fail(ECANCELED, "compare");
      Result<bool> same = co_await compare_piece(ring, source, replica, range, buffer.get());
      if (!same || !*same) co_return same;
    }
  }
  co_return true;
}

ring::Task<Result<std::uint64_t>> update_content_in_place(replica::Writer& writer, int from,
                                                          int replica, Metadata source,
                                                          ByteRange range, PieceBudget& budget) {
  ring::Ring& ring = writer.ring();
  const std::uint64_t end = std::min(range.end(), source.size);
  const ByteRange within{range.offset, end > range.offset ? end - range.offset : 0};
  const off_t present = ::lseek(replica, 0, SEEK_END);
  if (present < 0) co_return fail_errno("lseek SEEK_END");
  if (static_cast<std::uint64_t>(present) != source.size) {
    Result<void> sized = co_await writer.truncate(replica, source.size);
    if (!sized) co_return pass_on(std::move(sized));
  }
  Result<Extents> extents = either_data(from, replica, within);
  if (!extents) co_return pass_on(std::move(extents));
  const auto update_piece = [&ring, &writer, from, replica, &budget](
                                ByteRange part, PieceRun& run) -> ring::Task<void> {
    if (budget.is_paced()) co_await budget.pace(part.length);
    const PieceBudget::Piece piece = co_await budget.acquire();
    Result<Pair> pair = co_await read_pair(ring, from, replica, part, piece.data());
    if (!pair) co_return run.failed(std::move(pair.error()));
    const ByteRange blocks = differing_blocks(*pair);
    if (blocks.length == 0) co_return;
    Result<void> put = co_await writer.overwrite(
        replica, pair->source.subspan(blocks.offset, blocks.length), part.offset + blocks.offset);
    if (!put) co_return run.failed(std::move(put.error()));
    run.written += blocks.length;
  };
  PieceRun run;
  co_await for_each_piece(ring, budget, in_pieces(*extents, kHalf), run, update_piece);
  if (run.error) co_return std::unexpected(std::move(*run.error));
  Result<void> punched = co_await punch_holes(writer, from, replica, within);
  if (!punched) co_return pass_on(std::move(punched));
  co_return run.written;
}

}  // namespace mirrorfs::copy
