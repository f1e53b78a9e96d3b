#include "engine/compare/keeping.h"

#include <limits>

#include "engine/compare/report.h"
#include "engine/compare/walk.h"

namespace mirrorfs::compare {

Result<VerifyReport> verify_keeping(int source_root, int replica_root, const VerifyOptions& options,
                                    replica::Keeper* keeper, const PairRules& rules) {
  compare::ReportListener listener(options.most_differences, nullptr);
  // As the replica's disk has it, whatever the page cache remembers.
  const timespec reread_since{.tv_sec = 0, .tv_nsec = options.full ? 1 : 0};
  const compare::Policy policy{
      .compare = options.full ? compare::Compare::kFull : compare::Compare::kQuick,
      .dry_run = !options.repair,
      .changed_since = {},
      .reread_since = reread_since};
  Result<void> walked =
      compare::walk_trees({source_root, replica_root}, policy, listener, nullptr, keeper, rules);
  if (!walked) return pass_on(std::move(walked));
  return listener.verify_report();
}

Result<SyncReport> sync_keeping(int source_root, int replica_root, const SyncOptions& options,
                                replica::Keeper* keeper, const PairRules& rules) {
  // Only a dry run lists what differs.
  const std::size_t most = options.dry_run ? std::numeric_limits<std::size_t>::max() : 0;
  compare::ReportListener listener(most, options.on_progress);
  const compare::Policy policy{
      .compare = options.check == Check::kFull ? compare::Compare::kFull : compare::Compare::kQuick,
      .dry_run = options.dry_run,
      .changed_since = {},
      .sight_device = {},
      .unchanged_since = options.unchanged_since,
      .update_in_place = false};
  Result<void> walked = compare::walk_trees({source_root, replica_root, options.source_root},
                                            policy, listener, options.interrupted, keeper, rules);
  if (!walked) return pass_on(std::move(walked));
  return listener.sync_report();
}

}  // namespace mirrorfs::compare
