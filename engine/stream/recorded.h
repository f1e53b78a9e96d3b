// What the intake hands to the engine: an operation with its number, or the rest of many.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/stream/overflow.h"
#include "mirrorfs/footprint.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::stream {

struct Recorded {
  using Clock = std::chrono::steady_clock;

  SequenceNumber number;        ///< of an overflow: the last it stands for
  std::uint64_t count = 1;      ///< how many numbers it stands for, all up to `number`
  Clock::time_point completed;  ///< of an overflow: of the first
  std::size_t bytes = 0;        ///< accounted for; given back when the operation is done
  std::uint64_t begun = 0;      ///< the look after which it was begun
  /// Shared by the operations of one request. Null: nobody knows (of an overflow without memory).
  std::shared_ptr<const Footprint> footprint;
  Operation operation = Unknown{};
  /// Set: the queue was full, and this is what is left of `count` operations. Nothing is known of
  /// their order; it is done when all that it names is marked.
  std::unique_ptr<Overflow> overflow;

  /// The operation is unknown, and so is what it touched.
  [[nodiscard]] bool covers_everything() const {
    if (overflow) return overflow->everything();
    return std::holds_alternative<Unknown>(operation) &&
           (footprint == nullptr || footprint->leads_nowhere());
  }
};

/// A moment, for something that has read the source: what was begun before it may be in what was
/// read, recorded or not, for the source changes before the change is recorded.
struct Look {
  std::uint64_t number = 0;  ///< an operation whose `begun` is less may be in it
  SequenceNumber recorded;   ///< the last one by then
  bool under_way = false;    ///< something had begun that was not recorded yet
};

}  // namespace mirrorfs::stream
