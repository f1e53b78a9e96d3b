// The bytes of regular files: copy, compare, update in place. Holes are kept.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/ring/sync.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/types.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::replica {
class Writer;
}

namespace mirrorfs::copy {

class RateLimit;

/// bytes moved by one read and write. Larger writes make the kernel use larger folios, which are
/// expensive in a virtual machine that gives free memory back to its host (docs/adr/0014).
inline constexpr std::uint64_t kPieceSize = 256 << 10;
inline constexpr std::uint64_t kSmallFile = 128 << 10;  ///< bytes: one read, one write
/// bytes: from here on only differing pieces are written
inline constexpr std::uint64_t kUpdateInPlace = 8ULL << 20;

/// Bounds the memory of all copies on one ring: `pieces` buffers of `size` bytes, each kept for the
/// next piece because fresh memory would cost a page fault per 4 KiB. Ring thread; outlives its
/// pieces.
class PieceBudget {
 public:
  explicit PieceBudget(std::size_t pieces, std::size_t size = kPieceSize)
      : size_(size), permits_(pieces) {}

  /// One buffer, given back when destroyed.
  class Piece {
   public:
    Piece(PieceBudget& owner, ring::Permit permit);
    Piece(Piece&& other) noexcept = default;
    Piece& operator=(Piece&&) = delete;
    ~Piece();
    [[nodiscard]] std::byte* data() const { return buffer_.get(); }

   private:
    PieceBudget* owner_;
    ring::Permit permit_;
    std::unique_ptr<std::byte[]> buffer_;
  };
  [[nodiscard]] ring::Task<Piece> acquire();

  /// Once `flag` is set all work on pieces ends early, with ECANCELED.
  void cancel_by(const std::atomic<bool>* flag) { cancelled_ = flag; }
  [[nodiscard]] bool cancelled() const { return cancelled_ != nullptr && *cancelled_; }

  /// Content is read no faster than that from now on, but where `limit` says otherwise.
  void pace_by(RateLimit* limit) { limit_ = limit; }
  [[nodiscard]] bool is_paced() const { return limit_ != nullptr; }
  /// Before so much is read of the source. While is_paced(), and holding no piece.
  [[nodiscard]] ring::Task<void> pace(std::uint64_t bytes);

  /// Bytes written of files whose copy has not ended.
  [[nodiscard]] std::uint64_t under_way() const { return under_way_; }
  void moved(std::uint64_t bytes) { under_way_ += bytes; }
  void ended(std::uint64_t bytes) { under_way_ -= bytes; }

 private:
  const std::atomic<bool>* cancelled_ = nullptr;
  RateLimit* limit_ = nullptr;
  std::uint64_t under_way_ = 0;
  const std::size_t size_;
  ring::Semaphore permits_;
  std::vector<std::unique_ptr<std::byte[]>> idle_;
};

/// Copies the first `source.size` bytes of `from` into `to`, which is new and empty, and gives it
/// that size. Shares extents where the filesystem can (FICLONE), else moves several pieces at once.
/// Returns the bytes written. EIO (operation "read: file shrank") when `from` is shorter than
/// source.size.
[[nodiscard]] ring::Task<Result<std::uint64_t>> copy_content(replica::Writer& writer, int from,
                                                             int to, Metadata source,
                                                             PieceBudget& pieces);

/// True when both files hold the same `size` bytes (holes count as zeros).
[[nodiscard]] ring::Task<Result<bool>> compare_content(ring::Ring& ring, int source, int replica,
                                                       std::uint64_t size, PieceBudget& pieces);

/// Awaited before so many bytes are read of both files; false: that is to be given up.
using Pace = std::function<ring::Task<bool>(std::uint64_t bytes)>;

/// The same, one piece at a time, and of the replica what its disk has: clean pages of it are
/// dropped before and after. So are those of the source that were not cached before: nobody else
/// reads them. ECANCELED: `pace` has said so.
[[nodiscard]] ring::Task<Result<bool>> compare_uncached(ring::Ring& ring, int source, int replica,
                                                        std::uint64_t size, const Pace& pace);

/// Gives `replica` (opened O_RDWR) the size and content of `from`, writing only what differs in
/// `range`; where `from` has a hole and `replica` data, the hole is punched. Returns the bytes
/// written.
[[nodiscard]] ring::Task<Result<std::uint64_t>> update_content_in_place(replica::Writer& writer,
                                                                        int from, int replica,
                                                                        Metadata source,
                                                                        ByteRange range,
                                                                        PieceBudget& pieces);

}  // namespace mirrorfs::copy
