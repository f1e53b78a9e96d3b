// What a disk holds: its medium, and a cache that a power cut empties.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "calls.h"

namespace mirrorfs::test {

/// Bytes in memory. One thread at a time. What was written is read at once, and is lost by a cut
/// unless it was synced.
class VolatileStore {
 public:
  explicit VolatileStore(std::uint64_t bytes);

  /// As pread(2) and pwrite(2).
  [[nodiscard]] ssize_t read(char* bytes, std::size_t size, off_t offset) const;
  [[nodiscard]] ssize_t write(const char* bytes, std::size_t size, off_t offset);
  /// What was written is on the medium; throws.
  void sync();
  /// Of the sectors written since the last sync the medium has got none, some or most, in no order:
  /// the seed says which. Throws.
  void cut(std::uint64_t seed);

  static constexpr std::uint64_t kSector = 4096;  ///< bytes that are written as a whole or not

 private:
  static void copy_sector(const UniqueFd& from, const UniqueFd& to, std::uint64_t sector);

  UniqueFd cached_, medium_;
  std::vector<bool> is_unsynced_;        ///< by sector
  std::vector<std::uint64_t> unsynced_;  ///< the same, in the order of their first write
};

}  // namespace mirrorfs::test
