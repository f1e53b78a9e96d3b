#include "fs/ctl/live_verify.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "mirrorfs/metadata.h"
#include "mirrorfs/object_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::ctl {
namespace {

constexpr int kRounds = 3;

/// File times come from a clock that lags up to one tick (10 ms at HZ=100) behind this one.
timespec now_for_file_times() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

UniqueFd open_in_tree(int root, const std::string& path) {
  return UniqueFd(calls::open_beneath(root, path.empty() ? "." : path.c_str(), O_PATH));
}

/// Keeps those of `later` that `earlier` had too.
void keep_common(VerifyReport& later, const VerifyReport& earlier) {
  std::set<std::string> paths;
  for (const Difference& difference : earlier.differences) paths.insert(difference.path);
  for (const Failure& failure : earlier.failures) paths.insert(failure.path);
  // A list that was cut short says nothing about what is not in it.
  if (earlier.differences.size() < earlier.differences_total) return;
  const auto removed = std::erase_if(
      later.differences, [&paths](const auto& item) { return !paths.contains(item.path); });
  later.differences_total -= removed;
  std::erase_if(later.failures, [&paths](const auto& item) { return !paths.contains(item.path); });
}

/// Moves what changed since the time over to `unsettled`.
void set_apart_changing(LiveReport& report, const LiveSteps& steps, timespec since) {
  std::set<std::string> changing;
  const auto is_changing = [&](const auto& item) {
    const bool changed = steps.changed_since(item.path, since);
    if (changed) changing.insert(item.path);
    return changed;
  };
  report.verify.differences_total -= std::erase_if(report.verify.differences, is_changing);
  std::erase_if(report.verify.failures, is_changing);
  report.unsettled.assign(changing.begin(), changing.end());
}

}  // namespace

Result<LiveReport> verify_live(const LiveSteps& steps) {
  LiveReport report;
  for (int round = 0; round < kRounds; ++round) {
    // What changes from here on may be on its way to the replica while it is compared.
    const timespec since = now_for_file_times();
    steps.wait();
    auto verified = steps.verify();
    if (!verified) return pass_on(std::move(verified));
    if (round > 0) keep_common(*verified, report.verify);
    report.verify = std::move(*verified);
    if (report.verify.identical()) return report;
    if (round + 1 == kRounds) set_apart_changing(report, steps, since);
  }
  return report;
}

bool changed_in_tree(int root, const std::string& path, timespec since) {
  std::string place = path;
  while (true) {
    const UniqueFd object = open_in_tree(root, place);
    struct stat status{};
    if (object && fstat(object.get(), &status) == 0) return !is_before(status.st_ctim, since);
    if (place.empty()) return false;
    const std::size_t slash = place.rfind('/');
    place.resize(slash == std::string::npos ? 0 : slash);
  }
}

}  // namespace mirrorfs::ctl
