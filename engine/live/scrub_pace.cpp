#include "engine/live/scrub_pace.h"

#include <algorithm>

namespace mirrorfs::live {
namespace {

/// Of the period: the rest is for what is looked at twice.
constexpr double kShare = 0.9;
/// Pieces that are due within this time are done together.
constexpr std::chrono::milliseconds kMadeUpFor{20};

}  // namespace

void ScrubPace::begin(std::uint64_t expected, std::uint64_t done, Clock::time_point now) {
  expected_ = std::max({expected, done, kLeastWork});
  done_ = done;
  due_ = now;
}

ScrubPace::Clock::time_point ScrubPace::plan(std::uint64_t work, Clock::time_point now) {
  due_ = std::max(due_, now - kMadeUpFor);
  const Clock::time_point when = due_;
  done_ += work;
  while (done_ > expected_) expected_ *= 2;
  const double seconds = kShare * static_cast<double>(period_.count()) * static_cast<double>(work) /
                         static_cast<double>(expected_);
  due_ += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  return when;
}

}  // namespace mirrorfs::live
