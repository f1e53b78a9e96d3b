// Keeps what repeats itself from filling a log.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace mirrorfs {

/// Of each kind of line only some within a time are to be written; the others are counted. Any
/// thread.
class RepeatLimit {
 public:
  using Clock = std::chrono::steady_clock;

  RepeatLimit(unsigned most, Clock::duration within) : most_(most), within_(within) {}

  /// The line may be written: how many of its kind were left out since the last one. Nothing: leave
  /// it out. Without memory for another kind it may be written.
  [[nodiscard]] std::optional<std::uint64_t> admit(std::string_view kind,
                                                   Clock::time_point now = Clock::now()) noexcept;

 private:
  struct Kind {
    Clock::time_point first;  ///< of those that were written within the current time
    unsigned written = 0;
    std::uint64_t left_out = 0;
  };
  static constexpr std::size_t kMostKinds = 256;
  [[nodiscard]] Kind& kind_of(std::string_view kind, Clock::time_point now);

  const unsigned most_;
  const Clock::duration within_;
  std::mutex mutex_;  // guards kinds_
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace mirrorfs
