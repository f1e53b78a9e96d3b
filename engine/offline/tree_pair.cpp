#include "mirrorfs/tree_pair.h"

#include <cerrno>
#include <optional>
#include <utility>

#include "engine/journal/pairing.h"
#include "engine/journal/sync_history.h"
#include "engine/objects/rights.h"

namespace mirrorfs::offline {
namespace {

/// Whether to wait some 10 ms so that the next sync can trust what this one changed: a look at the
/// extended attributes of one object takes it some 2 µs.
bool worth_waiting(const SyncReport& report) {
  constexpr std::uint64_t kObjects = 2000;
  const bool changed =
      report.files_copied + report.created + report.removed + report.metadata_changed > 0;
  return changed && report.seen.objects >= kObjects;
}

struct Opened {
  journal::TreeRoot source, replica;
  std::optional<journal::Pairing> pairing;      ///< for_change
  std::optional<journal::SyncHistory> history;  ///< with `pairing`
};

class OpenedPair final : public TreePair {
 public:
  explicit OpenedPair(Opened opened) : opened_(std::move(opened)) {}

  Result<VerifyReport> verify(const VerifyOptions& options) override {
    if (options.repair && !opened_.pairing) return fail(EINVAL, "verify (not opened for change)");
    return verify_trees(opened_.source.fd.get(), opened_.replica.fd.get(), options);
  }

  Result<SyncReport> sync(SyncOptions options) override {
    if (!options.dry_run && !opened_.pairing) return fail(EINVAL, "sync (not opened for change)");
    options.source_root = opened_.source.metadata;
    if (opened_.history)
      options.unchanged_since = opened_.history->unchanged_since(*opened_.pairing);
    Result<SyncReport> report =
        sync_trees(opened_.source.fd.get(), opened_.replica.fd.get(), options);
    if (report && !options.dry_run) remember(*report);
    return report;
  }

 private:
  void remember(const SyncReport& report) const {
    if (!report.failures.empty() || report.mounts_inside) return;
    // What cannot be recorded is looked at again by the next sync.
    static_cast<void>(opened_.history->record(*opened_.pairing, worth_waiting(report)));
  }

  const Opened opened_;
};

journal::StartUp<void> take_for_change(Opened& opened, const timespec& began, bool adopt) {
  opened.history.emplace(began, opened.source, opened.replica,
                         objects::Rights::current().trusted_xattrs);
  auto pairing = journal::Pairing::acquire(opened.source, opened.replica, {.adopt = adopt});
  if (!pairing) return std::unexpected(pairing.error());
  opened.pairing.emplace(std::move(*pairing));
  return {};
}

}  // namespace
}  // namespace mirrorfs::offline

namespace mirrorfs {

std::expected<std::unique_ptr<TreePair>, std::string> TreePair::open(
    const TreePairOptions& options) {
  offline::Opened opened;
  const timespec began = journal::SyncHistory::clock();
  auto source = journal::open_root(options.source, "source");
  if (!source) return std::unexpected(source.error());
  opened.source = std::move(*source);
  auto replica = journal::open_root(options.replica, "replica");
  if (!replica) return std::unexpected(replica.error());
  opened.replica = std::move(*replica);
  if (auto apart = journal::check_nesting(opened.source, opened.replica, nullptr); !apart) {
    return std::unexpected(apart.error());
  }
  if (options.for_change) {
    auto taken = offline::take_for_change(opened, began, options.adopt);
    if (!taken) return std::unexpected(taken.error());
  }
  return std::make_unique<offline::OpenedPair>(std::move(opened));
}

}  // namespace mirrorfs
