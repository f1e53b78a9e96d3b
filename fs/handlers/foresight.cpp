#include "fs/handlers/foresight.h"

#include <algorithm>

#include "fs/nodes/kept_values.h"

namespace mirrorfs::fs {
namespace {

constexpr mode_t kSetIdBits = S_ISUID | S_ISGID;
constexpr mode_t kOrdinaryBits = 0777;
constexpr int kForeseen = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID |
                          FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME;

/// Comes with every chown, and there are no set-id bits to clear (remember()).
constexpr int kWithoutEffect = FUSE_SET_ATTR_KILL_SUID;

bool is_trusted(const Filesystem& fs, const SeenAttributes& seen) {
  const std::chrono::duration<double> age = SeenAttributes::Clock::now() - seen.at;
  return age.count() < fs.options.attr_timeout;
}

}  // namespace

std::unique_ptr<SeenAttributes> remember(Filesystem& fs, const NodeRef& node,
                                         const Metadata& seen) {
  const bool has_one_name = node->is_directory() || (node->is_regular() && seen.nlink == 1);
  if (!has_one_name || (seen.mode & kSetIdBits) != 0 || node->changes_unseen) return nullptr;
  if (seen.dev == fs.source.root_metadata().dev && shows_nanoseconds(seen.ctime)) {
    fs.source_keeps_nanoseconds.store(true, std::memory_order_relaxed);
  }
  return std::make_unique<SeenAttributes>(seen, SeenAttributes::Clock::now());
}

void keep_seen(Filesystem& fs, const NodeRef& node, std::unique_ptr<SeenAttributes> seen) {
  if (!node->is_directory()) {
    node->seen = std::move(seen);
  } else if (seen) {
    fs.directory_looks.keep(node->id(), std::move(seen));
  }
}

void keep_but_for_names(Filesystem& fs, const NodeRef& directory,
                        std::unique_ptr<SeenAttributes> seen) {
  if (seen) seen->metadata.times_known = false;
  keep_seen(fs, directory, std::move(seen));
}

bool foresees(Filesystem& fs, const NodeRef& node, const SeenAttributes* seen) {
  return seen != nullptr && is_trusted(fs, *seen) && fs.nodes.location(node).has_value();
}

bool surely_has_no_capabilities(Filesystem& fs, const NodeRef& node) {
  const NodeLocks locks(node);
  return node->capabilities == FileCapabilities::kAbsent && node->seen != nullptr &&
         is_trusted(fs, *node->seen);
}

bool is_kept_as_asked(const Filesystem& fs, const Metadata& seen, const struct stat& wanted,
                      int to_set) {
  if ((to_set & kForeseen) == 0 || (to_set & ~(kForeseen | kWithoutEffect)) != 0) return false;
  if (!fs.source.keeps_attributes() || seen.dev != fs.source.root_metadata().dev) return false;
  const auto asks = [to_set](int bit) { return (to_set & bit) != 0; };
  if (asks(FUSE_SET_ATTR_MODE) && (wanted.st_mode & 07777 & ~kOrdinaryBits) != 0) return false;
  if (!asks(FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) return true;
  return fs.source_keeps_nanoseconds.load(std::memory_order_relaxed) &&
         (!asks(FUSE_SET_ATTR_ATIME) || is_within_every_range(wanted.st_atim)) &&
         (!asks(FUSE_SET_ATTR_MTIME) || is_within_every_range(wanted.st_mtim));
}

Metadata with_changes(const Metadata& seen, const struct stat& wanted, int to_set) {
  Metadata after = seen;
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) {
    after.mode = seen.type() | (wanted.st_mode & kOrdinaryBits);
  }
  if ((to_set & FUSE_SET_ATTR_UID) != 0) after.uid = wanted.st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) after.gid = wanted.st_gid;
  if ((to_set & FUSE_SET_ATTR_ATIME) != 0) after.atime = wanted.st_atim;
  if ((to_set & FUSE_SET_ATTR_MTIME) != 0) {
    after.mtime = wanted.st_mtim;
    after.times_known = true;
  }
  return after;
}

Metadata with_write(const Metadata& seen, std::uint64_t offset, std::uint64_t count) {
  Metadata after = seen;
  after.size = std::max(after.size, offset + count);
  after.times_known = false;
  return after;
}

}  // namespace mirrorfs::fs
