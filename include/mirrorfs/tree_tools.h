// One-shot work on two trees: the same walker, comparer and copier that the baseline uses.
#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/metadata.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs {

struct Difference {
  std::string path;  ///< relative to the roots
  std::string what;  ///< "missing on the replica", "content", "mode 0644 != 0600", "extraneous", …
};

struct Failure {
  std::string path;
  std::string cause;
};

struct TreeTotals {
  std::uint64_t objects = 0, directories = 0, files = 0, bytes = 0;
};

struct VerifyOptions {
  bool full = false;                      ///< compare content, not only size and mtime
  bool repair = false;                    ///< make the replica equal
  std::size_t most_differences = 10'000;  ///< listed; all are counted
};

struct VerifyReport {
  std::uint64_t differences_total = 0;
  std::vector<Difference> differences;
  std::vector<Failure> failures;
  TreeTotals compared;
  [[nodiscard]] bool identical() const { return differences_total == 0 && failures.empty(); }
};

/// `source_root` and `replica_root` are directory descriptors; they stay the caller's. Blocks.
[[nodiscard]] Result<VerifyReport> verify_trees(int source_root, int replica_root,
                                                const VerifyOptions& options);

/// A source and a replica object of one path are unchanged when the ctime of each, and of every
/// directory above it, is before these times: they were equal then and were not touched since.
struct UnchangedSince {
  timespec source{}, replica{};
};

struct SyncOptions {
  Check check =
      Check::kQuick;  ///< quick: size, mtime and metadata decide; full: content is compared
  /// Extended attributes and link targets of what is unchanged are not looked at.
  std::optional<UnchangedSince> unchanged_since;
  std::optional<Metadata> source_root;  ///< by whoever has looked at it already
  bool dry_run = false;
  std::function<void(const BaselineProgress&)> on_progress;  ///< called a few times a second
  /// Once it is set what was begun is ended, nothing is left half done, and ECANCELED returned.
  const std::atomic<bool>* interrupted = nullptr;
};

/// What was asked of the kernel through io_uring.
struct RingUse {
  std::uint64_t enters = 0;        ///< io_uring_enter(2)
  std::uint64_t operations = 0;    ///< completed on the ring
  std::uint64_t direct_calls = 0;  ///< by system call, where the kernel lacks the opcode
  std::uint64_t offloads = 0;      ///< blocking calls without an opcode, on helper threads
  std::uint64_t wakes = 0, retries = 0;
  std::map<std::string, std::uint64_t> by_opcode;  ///< "openat2", …: as the kernel names them
};

struct SyncReport {
  TreeTotals seen;
  std::uint64_t files_copied = 0, bytes_copied = 0, created = 0, removed = 0, metadata_changed = 0;
  std::vector<Difference> planned;  ///< with dry_run
  std::vector<Failure> failures;
  std::uint64_t flagged = 0;  ///< immutable or append-only on the source, which is not mirrored
  /// Something is mounted on an object in either tree: unmounted, it uncovers what was not looked
  /// at.
  bool mounts_inside = false;
  RingUse ring;
};

/// Makes the replica equal to the source. Files are replaced as a whole, so that an interruption
/// leaves no half file. Blocks.
[[nodiscard]] Result<SyncReport> sync_trees(int source_root, int replica_root,
                                            const SyncOptions& options);

}  // namespace mirrorfs
