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
          .may_change_unseen = facts.access == AccessMode::kReadWrite};
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
