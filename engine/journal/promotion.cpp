#include "engine/journal/promotion.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/journal/known_pairs.h"
#include "mirrorfs/log.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::journal {
namespace {

std::uint64_t highest_generation(const PairRecord& record, int state_directory) {
  std::uint64_t highest = record.generation;
  if (state_directory < 0) return highest;
  for (const PairRecord& known : known_pairs(state_directory)) {
    if (known.pair_id == record.pair_id) highest = std::max(highest, known.generation);
  }
  return highest;
}

}  // namespace

StartUp<void> note_use(const TreeRoot& tree, int reserved_directory, int state_directory) {
  auto record = read_pair_record(tree.fd.get());
  if (!record) return std::unexpected(fmt::format("'{}': {}", tree.path.string(), record.error()));
  if (!*record || (*record)->role != Role::kSource) return {};
  ::clock_gettime(CLOCK_REALTIME, &(*record)->used);
  if (auto written = write_pair_record(reserved_directory, **record); !written) {
    return std::unexpected(fmt::format("'{}': {}", tree.path.string(), written.error()));
  }
  if (state_directory >= 0) static_cast<void>(remember_pair(state_directory, **record));
  return {};
}

StartUp<PairRecord> promote_tree(const TreeRoot& tree, int reserved_directory,
                                 int state_directory) {
  auto found = read_pair_record(tree.fd.get());
  if (!found) return std::unexpected(fmt::format("'{}': {}", tree.path.string(), found.error()));
  if (!*found) {
    return std::unexpected(
        fmt::format("'{}' is not a replica: it has no {}/pair", tree.path.string(), kReservedName));
  }
  PairRecord record = std::move(**found);
  record.generation = highest_generation(record, state_directory) + 1;
  record.role = Role::kSource;
  ::clock_gettime(CLOCK_REALTIME, &record.role_since);
  record.used = record.role_since;
  record.own = identity_of(tree);
  if (auto written = write_pair_record(reserved_directory, record); !written) {
    return std::unexpected(fmt::format("'{}': {}", tree.path.string(), written.error()));
  }
  if (state_directory < 0) return record;
  if (auto noted = remember_pair(state_directory, record); !noted) {
    log_warn("the state directory does not know of the promotion: {}", noted.error().message());
  }
  return record;
}

}  // namespace mirrorfs::journal
