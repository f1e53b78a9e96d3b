#include "engine/copy/content.h"

#include <cerrno>
#include <span>

#include "engine/copy/extents.h"
#include "engine/copy/piece_work.h"
#include "engine/copy/rate_limit.h"
#include "engine/replica/writer.h"
#include "engine/ring/ring.h"

namespace mirrorfs::copy {
namespace {

Error shrank() { return {EIO, "read: file shrank", {}}; }

ring::Task<Result<std::uint64_t>> copy_small(replica::Writer& writer, int from, int to,
                                             std::uint64_t size) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(size);
  const std::span<std::byte> bytes(buffer.get(), size);
  ring::Ring& ring = writer.ring();
  Result<std::size_t> got = co_await ring.read(from, bytes, 0);
  if (!got) co_return pass_on(std::move(got));
  if (*got < size) {
    Result<std::size_t> rest = co_await ring.read_all_at(from, bytes.subspan(*got), *got);
    if (!rest) co_return pass_on(std::move(rest));
    if (*got + *rest < size) co_return std::unexpected(shrank());
  }
  Result<std::size_t> put = co_await writer.write_new(to, bytes, 0);
  if (!put) co_return pass_on(std::move(put));
  if (*put < size) {
    Result<void> rest = co_await writer.write_all_new(to, bytes.subspan(*put), *put);
    if (!rest) co_return pass_on(std::move(rest));
  }
  co_return size;
}

bool may_have_holes(const Metadata& source) { return source.blocks * 512 < source.size; }

ring::Task<bool> cloned(ring::Ring& ring, int from, int to) {
  const auto clone = [=] { return replica::Writer::clone_new(from, to); };
  const bool done = co_await ring.offload(clone);
  co_return done;
}

ring::Task<Result<std::uint64_t>> copy_large(replica::Writer& writer, int from, int to,
                                             Metadata source, PieceBudget& budget) {
  ring::Ring& ring = writer.ring();
  const bool shared = co_await cloned(ring, from, to);
  if (shared) co_return source.size;
  const ByteRange whole{0, source.size};
  Result<Extents> extents =
      may_have_holes(source) ? data_extents(from, whole) : Result<Extents>(Extents{whole});
  if (!extents) co_return pass_on(std::move(extents));
  if (extents->empty() || extents->back().end() < source.size) {
    Result<void> sized = co_await writer.set_size_new(to, source.size);
    if (!sized) co_return pass_on(std::move(sized));
  }
  // The lambda outlives its coroutines: both end within this frame.
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines)
  const auto copy_piece = [&ring, &writer, from, to, &budget](ByteRange range,
                                                              PieceRun& run) -> ring::Task<void> {
    if (budget.is_paced()) co_await budget.pace(range.length);
    const PieceBudget::Piece piece = co_await budget.acquire();
    const std::span<std::byte> bytes(piece.data(), range.length);
    Result<std::size_t> got = co_await ring.read_all_at(from, bytes, range.offset);
    if (!got) co_return run.failed(std::move(got.error()));
    if (*got < range.length) co_return run.failed(shrank());
    Result<void> put = co_await writer.write_all_new(to, bytes, range.offset);
    if (!put) co_return run.failed(std::move(put.error()));
    run.written += range.length;
    budget.moved(range.length);
  };
  PieceRun run;
  co_await for_each_piece(ring, budget, std::move(*extents), run, copy_piece);
  budget.ended(run.written);
  if (run.error) co_return std::unexpected(std::move(*run.error));
  co_return run.written;
}

}  // namespace

PieceBudget::Piece::Piece(PieceBudget& owner, ring::Permit permit)
    : owner_(&owner), permit_(std::move(permit)) {
  if (owner.idle_.empty()) {
    buffer_ = std::make_unique_for_overwrite<std::byte[]>(owner.size_);
  } else {
    buffer_ = std::move(owner.idle_.back());
    owner.idle_.pop_back();
  }
}

PieceBudget::Piece::~Piece() {
  if (buffer_) owner_->idle_.push_back(std::move(buffer_));
}

ring::Task<PieceBudget::Piece> PieceBudget::acquire() {
  ring::Permit permit = co_await permits_.acquire();
  co_return Piece(*this, std::move(permit));
}

ring::Task<void> PieceBudget::pace(std::uint64_t bytes) { return limit_->take(bytes); }

ring::Task<Result<std::uint64_t>> copy_content(replica::Writer& writer, int from, int to,
                                               Metadata source, PieceBudget& pieces) {
  if (source.size == 0) co_return std::uint64_t{0};
  if (source.size <= kSmallFile && !may_have_holes(source)) {
    if (pieces.is_paced()) co_await pieces.pace(source.size);
    ring::Task<Result<std::uint64_t>> small = copy_small(writer, from, to, source.size);
    co_return co_await std::move(small);
  }
  ring::Task<Result<std::uint64_t>> large = copy_large(writer, from, to, source, pieces);
  co_return co_await std::move(large);
}

}  // namespace mirrorfs::copy
