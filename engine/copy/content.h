// The bytes of regular files: copy, compare, update in place. Holes are kept.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
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

namespace mirrorfs::copy {

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

  /// Bytes written of files whose copy has not ended.
  [[nodiscard]] std::uint64_t under_way() const { return under_way_; }
  void moved(std::uint64_t bytes) { under_way_ += bytes; }
  void ended(std::uint64_t bytes) { under_way_ -= bytes; }

 private:
  const std::atomic<bool>* cancelled_ = nullptr;
  std::uint64_t under_way_ = 0;
  const std::size_t size_;
  ring::Semaphore permits_;
  std::vector<std::unique_ptr<std::byte[]>> idle_;
};

/// Copies the first `source.size` bytes of `from` into `to`, which is new and empty, and gives it
/// that size. Shares extents where the filesystem can (FICLONE), else moves several pieces at once.
/// Returns the bytes written. EIO (operation "read: file shrank") when `from` is shorter than
/// source.size.
[[nodiscard]] ring::Task<Result<std::uint64_t>> copy_content(ring::Ring& ring, int from, int to,
                                                             Metadata source, PieceBudget& pieces);

/// True when both files hold the same `size` bytes (holes count as zeros).
[[nodiscard]] ring::Task<Result<bool>> compare_content(ring::Ring& ring, int source, int replica,
                                                       std::uint64_t size, PieceBudget& pieces);

/// Gives `replica` (opened O_RDWR) the size and content of `from`, writing only what differs in
/// `range`; where `from` has a hole and `replica` data, the hole is punched. Returns the bytes
/// written.
[[nodiscard]] ring::Task<Result<std::uint64_t>> update_content_in_place(
    ring::Ring& ring, int from, int replica, Metadata source, ByteRange range, PieceBudget& pieces);

}  // namespace mirrorfs::copy
