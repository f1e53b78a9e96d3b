#include "engine/stream/watermark.h"

#include <algorithm>
#include <cassert>

namespace mirrorfs::stream {

void Watermark::open(SequenceNumber number, Clock::time_point completed, std::uint64_t count) {
  const SequenceNumber last = window_.empty() ? closed_through_ : window_.back().number;
  assert(number.value == last.value + count);
  (void)last, (void)count;
  window_.push_back({number, completed, false});
  ++open_count_;
}

bool Watermark::close(SequenceNumber number) {
  const auto slot = std::ranges::lower_bound(window_, number, {}, &Slot::number);
  assert(slot != window_.end() && slot->number == number && !slot->closed);
  slot->closed = true;
  --open_count_;
  if (slot != window_.begin()) return false;
  while (!window_.empty() && window_.front().closed) {
    closed_through_ = window_.front().number;
    window_.pop_front();
  }
  return true;
}

}  // namespace mirrorfs::stream
