// How much a reconcile of two trees would remove, before it removes anything (G8).
#pragma once

#include <time.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/removal_limit.h"

namespace mirrorfs::compare {

struct Removals {
  std::uint64_t removed = 0;  ///< objects that the replica has and the source lacks
  std::uint64_t total = 0;    ///< all of the replica; at least, if `partial`
  bool partial = false;
  std::vector<std::string> examples;  ///< paths of the first few
};

struct RemovalRules {
  /// Entries of the replica that nothing is done to, by their path and whether they are
  /// directories. Directories that hold some are not removed either.
  std::function<bool(const std::string&, bool)> left_alone;
  /// After a session that did not end: what is missing in a directory that changed since was
  /// removed through the mount, and is not counted.
  std::optional<timespec> excused_since;
  /// Directories that cannot have lost a name need not be read: the total is too small then.
  bool at_least = false;
};

/// Names only: nothing is compared that both have. By direct calls: start-up only.
[[nodiscard]] Result<Removals> count_removals(int source_root, int replica_root,
                                              const RemovalRules& rules);

/// Whether so much must not be removed unasked.
[[nodiscard]] bool exceeds(const Removals& removals, const RemovalLimit& limit, bool source_empty);

struct RemovalCheck {
  int source, replica;
  std::string source_path, replica_path;
  RemovalLimit limit;
  bool one_file_system = false;
  std::vector<std::string> inner_mounts;  ///< see Boundaries::learn()
  std::vector<std::string> exclude;
  std::optional<timespec> excused_since = {};
  bool no_count = false;  ///< only an empty source is refused: nothing but marks will be compared
};

/// Counts, and refuses with one line what exceeds the limit.
[[nodiscard]] std::expected<void, std::string> check_removals(const RemovalCheck& check);

/// The refusal: one line.
[[nodiscard]] std::string refusal(const Removals& removals, const RemovalLimit& limit,
                                  const std::string& source, const std::string& replica);

}  // namespace mirrorfs::compare
