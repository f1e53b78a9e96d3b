// In which directories files are large that are written as a whole: the latest few.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "mirrorfs/types.h"

namespace mirrorfs::fs {

/// Nobody says at open(2) how much will be written. The next file in a directory is most likely of
/// the kind of the last: videos, dumps, images; or sources, mails. Safe from any thread.
class WrittenSizes {
 public:
  static constexpr std::size_t kMost = 64;
  static constexpr std::uint64_t kLarge = 1 << 20;  ///< bytes

  /// A file of the directory was written as a whole, or that far by now.
  void note(const ObjectId& directory, std::uint64_t bytes);
  /// There was a large one, and few small ones since.
  [[nodiscard]] bool expects_large(const ObjectId& directory) const;

 private:
  /// Small files between large ones are checksums, logs, indices.
  static constexpr unsigned kForgotten = 8;
  struct Slot {
    ObjectId directory;
    unsigned left = 0;        ///< small files until the large one is forgotten
    std::uint64_t noted = 0;  ///< when, in calls of note()
  };

  mutable std::mutex mutex_;
  std::uint64_t calls_ = 0;
  std::array<Slot, kMost> slots_;
};

}  // namespace mirrorfs::fs
