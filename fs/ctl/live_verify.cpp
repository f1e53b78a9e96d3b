#include "fs/ctl/live_verify.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace mirrorfs::ctl {
namespace {

using Paths = std::vector<std::string>;

/// Of a list that was cut short the rest is found by another comparison, once this is repaired.
constexpr int kMostRounds = 1000;

struct Sorted {
  std::vector<Difference> differing, known;
  std::vector<Failure> failed;
  Paths busy;
};

std::vector<Difference> of_kind(const Paths& paths, const std::vector<Examined>& found,
                                Finding kind) {
  std::vector<Difference> list;
  for (std::size_t at = 0; at < found.size(); ++at) {
    if (found[at].finding == kind) list.push_back({paths[at], found[at].what});
  }
  return list;
}

Paths paths_of(const std::vector<Difference>& differences) {
  Paths paths;
  std::ranges::transform(differences, std::back_inserter(paths), &Difference::path);
  return paths;
}

Paths candidates_of(const VerifyReport& report) {
  std::set<std::string> paths;
  for (const Difference& difference : report.differences) paths.insert(difference.path);
  for (const Failure& failure : report.failures) paths.insert(failure.path);
  return {paths.begin(), paths.end()};
}

std::expected<Sorted, std::string> examine(const LiveSteps& steps, const Paths& paths,
                                           bool repair) {
  const auto found = steps.examine(paths, repair);
  if (!found) return std::unexpected(found.error());
  Sorted sorted;
  sorted.differing = of_kind(paths, *found, Finding::kDiffers);
  sorted.known = of_kind(paths, *found, Finding::kKnown);
  sorted.busy = paths_of(of_kind(paths, *found, Finding::kBusy));
  for (Difference& failed : of_kind(paths, *found, Finding::kFailed)) {
    sorted.failed.push_back({std::move(failed.path), std::move(failed.what)});
  }
  return sorted;
}

/// What was told to have differed for a moment may have been changed past the daemon: before each
/// look it is told of that, so that whatever differs once more does differ.
std::expected<Sorted, std::string> examine_twice(const LiveSteps& steps, const Paths& paths,
                                                 bool repair) {
  auto once = examine(steps, paths, false);
  if (!once || once->differing.empty()) return once;
  auto twice = examine(steps, paths_of(once->differing), repair);
  if (!twice) return twice;
  once->differing = std::move(twice->differing);
  std::ranges::move(twice->known, std::back_inserter(once->known));
  std::ranges::move(twice->failed, std::back_inserter(once->failed));
  std::ranges::move(twice->busy, std::back_inserter(once->busy));
  return once;
}

/// Puts what was found into the report of the comparison.
void tell(LiveReport& report, Sorted sorted) {
  VerifyReport& verify = report.verify;
  const std::uint64_t unlisted = verify.differences_total - verify.differences.size();
  verify.differences = std::move(sorted.differing);
  for (Difference& known : sorted.known) {
    verify.differences.push_back(
        {std::move(known.path), known.what + " (known: marked or queued)"});
  }
  std::ranges::sort(verify.differences, {}, &Difference::path);
  verify.differences_total = verify.differences.size() + unlisted;
  verify.failures = std::move(sorted.failed);
  report.busy = std::move(sorted.busy);
}

std::expected<LiveReport, std::string> compare(const LiveSteps& steps) {
  steps.wait();
  auto verified = steps.verify();
  if (!verified) return std::unexpected(verified.error().message());
  LiveReport report;
  report.verify = std::move(*verified);
  return report;
}

/// What `sorted` has as differing was marked. Moves what is equal now to `repaired`.
std::expected<void, std::string> follow_repair(const LiveSteps& steps, Sorted& sorted,
                                               std::vector<Difference>& repaired) {
  std::vector<Difference> marked = std::exchange(sorted.differing, {});
  if (marked.empty()) return {};
  steps.wait_for_repair();
  auto left = examine_twice(steps, paths_of(marked), false);
  if (!left) return std::unexpected(left.error());
  std::set<std::string> still;
  for (const Difference& one : left->differing) still.insert(one.path);
  for (const Difference& one : left->known) still.insert(one.path);
  for (const Failure& one : left->failed) still.insert(one.path);
  still.insert(left->busy.begin(), left->busy.end());
  std::ranges::copy_if(marked, std::back_inserter(repaired),
                       [&](const Difference& one) { return !still.contains(one.path); });
  sorted.differing = std::move(left->differing);
  std::ranges::move(left->known, std::back_inserter(sorted.known));
  std::ranges::move(left->failed, std::back_inserter(sorted.failed));
  std::ranges::move(left->busy, std::back_inserter(sorted.busy));
  return {};
}

}  // namespace

std::expected<LiveReport, std::string> verify_live(const LiveSteps& steps, bool repair) {
  std::vector<Difference> repaired;
  for (int round = 1;; ++round) {
    auto report = compare(steps);
    if (!report) return report;
    const bool cut_short = report->verify.differences_total > report->verify.differences.size();
    auto sorted = examine_twice(steps, candidates_of(report->verify), repair);
    if (!sorted) return std::unexpected(sorted.error());
    const std::size_t before = repaired.size();
    if (repair) {
      const auto followed = follow_repair(steps, *sorted, repaired);
      if (!followed) return std::unexpected(followed.error());
    }
    if (cut_short && repaired.size() > before && round < kMostRounds) continue;
    tell(*report, std::move(*sorted));
    report->repaired = std::move(repaired);
    return report;
  }
}

}  // namespace mirrorfs::ctl
