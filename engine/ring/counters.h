// What a ring has done so far.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace mirrorfs::ring {

struct Counters {
  static constexpr std::size_t kOpcodes = 128;  ///< more than IORING_OP_LAST

  std::uint64_t enters = 0;      ///< calls of io_uring_enter(2)
  std::uint64_t operations = 0;  ///< requests completed on the ring, retries not counted
  std::uint64_t direct_calls =
      0;                       ///< requests whose opcode the kernel lacks, done by helper threads
  std::uint64_t offloads = 0;  ///< functions run by helper threads
  std::uint64_t wakes = 0;     ///< wake-ups by other threads
  std::uint64_t retries = 0;   ///< requests submitted again after EAGAIN or EINTR
  std::array<std::uint64_t, kOpcodes> by_opcode{};  ///< index: IORING_OP_*
};

/// The live form: written by the ring's thread alone, read by any. Relaxed: each number stands by
/// itself.
class LiveCounters {
 public:
  /// One writer, so a load and a store do what a locked addition would.
  static void add_one(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  [[nodiscard]] Counters snapshot() const noexcept {
    Counters copy;
    copy.enters = enters.load(std::memory_order_relaxed);
    copy.operations = operations.load(std::memory_order_relaxed);
    copy.direct_calls = direct_calls.load(std::memory_order_relaxed);
    copy.offloads = offloads.load(std::memory_order_relaxed);
    copy.wakes = wakes.load(std::memory_order_relaxed);
    copy.retries = retries.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < Counters::kOpcodes; ++i) {
      copy.by_opcode[i] = by_opcode[i].load(std::memory_order_relaxed);
    }
    return copy;
  }

  std::atomic<std::uint64_t> enters{0}, operations{0}, direct_calls{0}, offloads{0}, wakes{0},
      retries{0};
  std::array<std::atomic<std::uint64_t>, Counters::kOpcodes> by_opcode{};
};

}  // namespace mirrorfs::ring
