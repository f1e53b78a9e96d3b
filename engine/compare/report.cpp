#include "engine/compare/report.h"

#include "engine/compare/unchanged.h"

#include <algorithm>

#include "engine/ring/opcode_name.h"

namespace mirrorfs::compare {

void ReportListener::listed(std::size_t names) { progress_.files_total += names; }

void ReportListener::seen(const Metadata& source) {
  ++totals_.objects;
  if ((source.attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0) ++flagged_;
  mounts_inside_ |= is_mount_point(source);
  if (source.is_directory()) ++totals_.directories;
  if (!source.is_regular()) return;
  ++totals_.files;
  totals_.bytes += source.size;
  progress_.bytes_total += source.size;
}

void ReportListener::expected(std::int64_t bytes) {
  progress_.bytes_total += static_cast<std::uint64_t>(bytes);  // wraps back where it is less
}

void ReportListener::tick(std::uint64_t under_way) {
  under_way_ = under_way;
  tell_progress();
}

void ReportListener::reconciled(const Metadata& source) {
  ++progress_.files_done;
  if (source.is_regular()) progress_.bytes_done += source.size;
}

void ReportListener::difference(std::string path, std::string_view what) {
  ++differences_total_;
  differences_.emplace(std::move(path), what);
  if (differences_.size() > most_) differences_.erase(std::prev(differences_.end()));
}

void ReportListener::copied(std::uint64_t bytes) {
  ++files_copied_;
  bytes_copied_ += bytes;
}

void ReportListener::failed(std::string path, const Error& error) {
  Error cause = error;
  if (path.ends_with(cause.name)) cause.name.clear();  // once is enough
  failures_.emplace(std::move(path), cause.message());
}

void ReportListener::ring_used(const ring::Counters& counters) {
  ring_ = {.enters = counters.enters,
           .operations = counters.operations,
           .direct_calls = counters.direct_calls,
           .offloads = counters.offloads,
           .wakes = counters.wakes,
           .retries = counters.retries,
           .by_opcode = {}};
  for (std::size_t opcode = 0; opcode < ring::Counters::kOpcodes; ++opcode) {
    const std::uint64_t count = counters.by_opcode[opcode];
    if (count > 0) ring_.by_opcode.emplace(ring::opcode_name(opcode), count);
  }
}

void ReportListener::tell_progress() {
  if (!on_progress_) return;
  BaselineProgress now = progress_;
  now.bytes_done = std::min(now.bytes_done + under_way_, now.bytes_total);
  on_progress_(now);
}

VerifyReport ReportListener::verify_report() {
  VerifyReport report;
  report.differences_total = differences_total_;
  report.compared = totals_;
  for (const auto& [path, what] : differences_) report.differences.push_back({path, what});
  for (const auto& [path, cause] : failures_) report.failures.push_back({path, cause});
  return report;
}

SyncReport ReportListener::sync_report() {
  progress_.running = false;
  progress_.share_walked = 1;
  under_way_ = 0;
  tell_progress();
  SyncReport report;
  report.seen = totals_;
  report.files_copied = files_copied_;
  report.bytes_copied = bytes_copied_;
  report.created = created_;
  report.removed = removed_;
  report.metadata_changed = metadata_changed_;
  report.flagged = flagged_;
  report.mounts_inside = mounts_inside_;
  report.ring = ring_;
  for (const auto& [path, what] : differences_) report.planned.push_back({path, what});
  for (const auto& [path, cause] : failures_) report.failures.push_back({path, cause});
  return report;
}

}  // namespace mirrorfs::compare
