// How far the scrub of a pair has come: STATE/ID.scrub.
#pragma once

#include <cstdint>
#include <string>

#include "mirrorfs/error.h"

namespace mirrorfs::journal {

/// Times in seconds since 1970; 0: never.
struct ScrubRecord {
  std::int64_t last_verify = 0;        ///< when the last complete pass ended
  std::int64_t last_began = 0;         ///< when it, or the one under way, began
  std::uint64_t last_differences = 0;  ///< that it found
  std::uint64_t last_work = 0;         ///< what it took, by the scrub's own measure
  bool under_way = false;
  std::string position;  ///< of the pass under way: the directory to begin with, by its path
  std::uint64_t objects = 0, bytes = 0, differences = 0, work = 0;  ///< of the same, so far
};

/// A record that is missing or cannot be read is one of a pair that was never scrubbed.
[[nodiscard]] ScrubRecord read_scrub_record(int state_directory, const std::string& pair_id);
/// Without a sync: after a power cut a pass goes on from an earlier place.
[[nodiscard]] Result<void> write_scrub_record(int state_directory, const std::string& pair_id,
                                              const ScrubRecord& record);

}  // namespace mirrorfs::journal
