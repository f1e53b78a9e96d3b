// How long to go on, and from where: MIRRORFS_FUZZ_SECONDS and MIRRORFS_SEED. Without either a
// short run from a fixed seed, so that what it finds was brought by the change that is tested.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace mirrorfs::fuzz {

[[nodiscard]] inline std::chrono::seconds duration() {
  const char* const given = std::getenv("MIRRORFS_FUZZ_SECONDS");
  return std::chrono::seconds(given != nullptr ? std::stoul(given) : 3);
}

/// A chosen seed is run once.
[[nodiscard]] inline bool seed_was_chosen() { return std::getenv("MIRRORFS_SEED") != nullptr; }

[[nodiscard]] inline std::uint64_t seed() {
  if (seed_was_chosen()) return std::stoull(std::getenv("MIRRORFS_SEED"));
  if (std::getenv("MIRRORFS_FUZZ_SECONDS") == nullptr) return 1;
  return std::random_device{}() % 1'000'000'000;
}

}  // namespace mirrorfs::fuzz
