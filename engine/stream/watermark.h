// Up to which sequence number everything is applied, and how old the oldest rest is.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "mirrorfs/types.h"

namespace mirrorfs::stream {

/// Numbers are opened in order and closed in any order. Not thread-safe.
class Watermark {
 public:
  using Clock = std::chrono::steady_clock;

  /// `count` numbers that are closed together, up to `number`; the first is the one after the last
  /// opened.
  void open(SequenceNumber number, Clock::time_point completed, std::uint64_t count = 1);

  /// What was opened under this number. Returns true when the mark moved.
  bool close(SequenceNumber number);

  /// Every number up to and including this one is closed.
  [[nodiscard]] SequenceNumber closed_through() const { return closed_through_; }

  [[nodiscard]] std::size_t open_count() const { return open_count_; }

  /// Completion time of the oldest open number; `now` when nothing is open.
  [[nodiscard]] Clock::time_point oldest(Clock::time_point now) const {
    return window_.empty() ? now : window_.front().completed;
  }

 private:
  struct Slot {
    SequenceNumber number;
    Clock::time_point completed;
    bool closed = false;
  };
  SequenceNumber closed_through_;
  std::size_t open_count_ = 0;
  std::deque<Slot> window_;  ///< from closed_through_ + 1 on; the front is always open
};

}  // namespace mirrorfs::stream
