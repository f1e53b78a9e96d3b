// The one source of chance: xoshiro256** seeded by splitmix64, the same on every machine.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace mirrorfs::simulation {

/// Mixes numbers into a seed of their own.
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t value) noexcept {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
  return mixed(mixed(a) ^ b);
}

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) word = seed = mixed(seed);
  }

  std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Less than `bound`, which is not 0.
  std::size_t below(std::size_t bound) noexcept {
    return static_cast<std::size_t>((next() >> 32) * bound >> 32);
  }
  /// From `least` to `most`, both included.
  std::size_t between(std::size_t least, std::size_t most) noexcept {
    return least + below(most - least + 1);
  }
  bool chance(std::size_t cases, std::size_t of) noexcept { return below(of) < cases; }

  template <class Range>
  auto& one_of(Range& range) noexcept {
    return range[below(range.size())];
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace mirrorfs::simulation
