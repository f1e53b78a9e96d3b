#include "mirrorfs/tree_pair.h"

#include <time.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "engine/compare/keeping.h"
#include "engine/compare/removals.h"
#include "engine/journal/pairing.h"
#include "engine/journal/session_record.h"
#include "engine/journal/sync_history.h"
#include "engine/objects/rights.h"
#include "engine/offline/rules_of_pair.h"
#include "engine/replica/kept.h"
#include "engine/replica/probe.h"
#include "mirrorfs/log.h"
#include "mirrorfs/object_calls.h"

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
  std::optional<journal::Pairing> pairing;          ///< for_change
  UniqueFd state_directory;                         ///< not valid: nothing is kept on this machine
  std::unique_ptr<replica::Keeper> keeper;          ///< for_change, of a replica that had a session
  timespec began{};                                 ///< by the clock that stamps the source's files
  std::optional<journal::SyncHistory> history;      ///< with `pairing`
  std::optional<std::vector<std::string>> exclude;  ///< instead of what the pair's record has
};

class OpenedPair final : public TreePair {
 public:
  explicit OpenedPair(Opened opened) : opened_(std::move(opened)) {}

  Result<VerifyReport> verify(const VerifyOptions& options) override {
    if (options.repair && !opened_.pairing) return fail(EINVAL, "verify (not opened for change)");
    auto report = compare::verify_keeping(opened_.source.fd.get(), opened_.replica.fd.get(),
                                          options, opened_.keeper.get(), rules_now());
    if (report && options.repair && report->failures.empty()) note_end();
    return report;
  }

  Result<SyncReport> sync(SyncOptions options) override {
    if (!options.dry_run && !opened_.pairing) return fail(EINVAL, "sync (not opened for change)");
    options.source_root = opened_.source.metadata;
    const bool as_before = opened_.history && !opened_.pairing->fidelity_changed() &&
                           !opened_.pairing->exclusion_changed();
    if (as_before) options.unchanged_since = opened_.history->unchanged_since(*opened_.pairing);
    Result<SyncReport> report =
        compare::sync_keeping(opened_.source.fd.get(), opened_.replica.fd.get(), options,
                              options.dry_run ? nullptr : opened_.keeper.get(), rules_now());
    if (report && !options.dry_run) remember(*report);
    if (report && !options.dry_run && report->failures.empty()) note_end();
    return report;
  }

 private:
  [[nodiscard]] compare::PairRules rules_now() const {
    const int source = opened_.source.fd.get();
    if (opened_.pairing) return rules_of(source, opened_.pairing->record());
    compare::PairRules rules = rules_of(source, opened_.replica.fd.get());
    if (opened_.exclude) rules.exclusion = exclude::Exclusion(*opened_.exclude, {});
    return rules;
  }

  /// Whatever is on the replica now was put there by us, or found equal.
  void note_end() const {
    const auto noted =
        journal::note_sync(*opened_.pairing, opened_.state_directory.get(), opened_.began);
    if (!noted) log_warn("the pair's record cannot be written: {}", noted.error());
    if (opened_.keeper) opened_.keeper->end();
  }

  void remember(const SyncReport& report) const {
    if (!report.failures.empty() || report.mounts_inside) return;
    // What cannot be recorded is looked at again by the next sync.
    static_cast<void>(opened_.history->record(*opened_.pairing, worth_waiting(report)));
  }

  const Opened opened_;
};

/// What this machine knows of disks that are not mounted; without a place to keep it, nothing.
UniqueFd open_state_directory() {
  const auto place = journal::StateDirectory::choose({});
  if (!place) return {};
  auto state = journal::StateDirectory::open(*place);
  return state ? std::move(state->fd) : UniqueFd();
}

journal::StartUp<void> make_keeper(Opened& opened) {
  const journal::Pairing& pairing = *opened.pairing;
  if (!pairing.was_paired()) return {};
  const auto now = journal::clock_past(pairing.reserved_directory());
  if (!now) return std::unexpected(now.error().message());
  std::vector<replica::Kept::Window> windows;
  for (const auto& window : journal::foreign_windows(pairing, opened.state_directory.get(), *now)) {
    windows.push_back({window.since, window.until});
  }
  if (windows.empty()) return {};
  opened.keeper = std::make_unique<replica::Kept>(opened.replica.fd.get(), std::move(windows));
  return {};
}

/// What the replica's filesystem can hold. A sync goes by what the pair's last session tolerated.
std::function<journal::StartUp<void>(int, journal::Ruling&)> examiner(
    const Opened& opened, const TreePairOptions& options) {
  return [&](int reserved, journal::Ruling& ruling) -> journal::StartUp<void> {
    journal::PairRecord& record = ruling.record;
    record.tolerated = options.tolerate.value_or(record.tolerated);
    auto found = replica::examine({.source_root = opened.source.fd.get(),
                                   .reserved_directory = reserved,
                                   .replica_path = opened.replica.path.string(),
                                   .tolerated = record.tolerated,
                                   .known = ruling.known_capabilities()});
    if (!found) return std::unexpected(found.error());
    record.capabilities = *found;
    return {};
  };
}

journal::StartUp<void> take_for_change(Opened& opened, const timespec& began,
                                       const TreePairOptions& options) {
  opened.began = began;
  opened.state_directory = open_state_directory();
  opened.history.emplace(began, opened.source, opened.replica,
                         objects::Rights::current().trusted_xattrs);
  const journal::Pairing::Request request{.adopt = options.adopt,
                                          .mounts = false,
                                          .one_file_system = {},
                                          .exclude = options.exclude,
                                          .state_directory = opened.state_directory.get(),
                                          .examine = examiner(opened, options)};
  auto ruling = journal::Pairing::decide(opened.source, opened.replica, request);
  if (!ruling) return std::unexpected(ruling.error());
  auto few = compare::check_removals({.source = opened.source.fd.get(),
                                      .replica = opened.replica.fd.get(),
                                      .source_path = opened.source.path.string(),
                                      .replica_path = opened.replica.path.string(),
                                      .limit = options.max_delete,
                                      .one_file_system = ruling->record.one_file_system,
                                      .inner_mounts = ruling->record.inner_mounts,
                                      .exclude = ruling->record.exclude});
  if (!few) return few;
  auto pairing = journal::Pairing::take(opened.source, opened.replica, request, std::move(*ruling));
  if (!pairing) return std::unexpected(pairing.error());
  opened.pairing.emplace(std::move(*pairing));
  return make_keeper(opened);
}

}  // namespace
}  // namespace mirrorfs::offline

namespace mirrorfs {

std::expected<std::unique_ptr<TreePair>, std::string> TreePair::open(
    const TreePairOptions& options) {
  offline::Opened opened;
  const timespec began = journal::SyncHistory::clock();
  // What opens files by their paths does so now, before the trees are looked at.
  ::tzset();
  if (auto prepared = calls::prepare(); !prepared) {
    return std::unexpected(prepared.error().message());
  }
  auto source = journal::open_root(options.source, "source");
  if (!source) return std::unexpected(source.error());
  opened.source = std::move(*source);
  auto replica = journal::open_root(options.replica, "replica");
  if (!replica) return std::unexpected(replica.error());
  opened.replica = std::move(*replica);
  opened.exclude = options.exclude;
  if (auto apart = journal::check_nesting(opened.source, opened.replica, nullptr); !apart) {
    return std::unexpected(apart.error());
  }
  if (options.for_change) {
    auto taken = offline::take_for_change(opened, began, options);
    if (!taken) return std::unexpected(taken.error());
  }
  return std::make_unique<offline::OpenedPair>(std::move(opened));
}

}  // namespace mirrorfs
