// Whether the clock was set back.
#pragma once

#include <time.h>

#include <cstdint>
#include <string>

namespace mirrorfs::journal {

/// CLOCK_REALTIME against the time since the boot.
struct BootClock {
  std::string boot;         ///< empty: cannot be told
  std::int64_t offset = 0;  ///< ns

  /// Start-up: the boot's id is read from a path.
  [[nodiscard]] static BootClock now();
  /// The same as of now. Any time.
  [[nodiscard]] BootClock again() const;
  /// Since `then`, in the same boot, by more than reading two clocks can differ. In another boot
  /// nothing is known, and false returned.
  [[nodiscard]] bool was_set_back_since(const BootClock& then) const;
};

}  // namespace mirrorfs::journal
