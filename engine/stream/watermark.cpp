#include "engine/stream/watermark.h"

#include <cassert>

namespace mirrorfs::stream {

void Watermark::open(SequenceNumber number, Clock::time_point completed) {
  assert(number.value == closed_through_.value + window_.size() + 1);
  (void)number;
  window_.push_back({completed, false});
  ++open_count_;
}

bool Watermark::close(SequenceNumber number) {
  assert(number > closed_through_);
  const std::uint64_t index = number.value - closed_through_.value - 1;
  window_[index].closed = true;
  --open_count_;
  if (index != 0) return false;
  while (!window_.empty() && window_.front().closed) {
    window_.pop_front();
    ++closed_through_.value;
  }
  return true;
}

}  // namespace mirrorfs::stream
