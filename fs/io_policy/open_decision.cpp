#include "fs/io_policy/open_decision.h"

#include <fcntl.h>

namespace mirrorfs::fs {
namespace {

/// With O_DIRECT the source's filesystem would have to be able to do it, aligned as it likes.
bool only_reads(const OpenFacts& facts) {
  return facts.access == AccessMode::kReadOnly && !facts.truncates && !facts.direct_io;
}

/// No other way is open any more (fuse_file_io_open(): EIO).
OpenDecision beside_passthrough(const OpenFacts& facts) {
  if (only_reads(facts)) return {.path = DataPath::kPassthrough};
  return {.path = DataPath::kPassthroughDirectIo,
          .unseen = facts.access == AccessMode::kReadWrite ? Unseen::kMappings : Unseen::kNothing};
}

/// A file that is written from its beginning to its end, by write(2) alone, and then closed: what
/// is appended to may be a log that stays open, and has to arrive line by line.
bool writes_whole(const OpenFacts& facts) {
  const bool whole = facts.access == AccessMode::kWriteOnly && (facts.creates || facts.truncates);
  const bool ordered = facts.appends || facts.synchronous || facts.mode == Mode::kSync;
  return whole && !ordered && !facts.direct_io && !facts.privileged;
}

}  // namespace

// What is updated in place will be again, maybe while somebody reads: there, no reader may make the
// writer's mappings bypass the daemon.
OpenDecision decide_open(const OpenFacts& facts) {
  switch (facts.opened_as) {
    case OpenedAs::kCached: return {};
    case OpenedAs::kPassthrough: return beside_passthrough(facts);
    case OpenedAs::kNotOpen: break;
  }
  if (facts.io == IoOption::kThrough || !facts.passthrough_available || facts.was_updated)
    return {};
  if (only_reads(facts)) return {.path = DataPath::kPassthrough};
  if (writes_whole(facts) && facts.writes_show && facts.expects_large) {
    return {.path = DataPath::kPassthrough, .unseen = Unseen::kWrites};
  }
  return {};
}

AccessMode access_mode(int open_flags) {
  switch (open_flags & O_ACCMODE) {
    case O_RDONLY: return AccessMode::kReadOnly;
    case O_WRONLY: return AccessMode::kWriteOnly;
    default: return AccessMode::kReadWrite;
  }
}

}  // namespace mirrorfs::fs
