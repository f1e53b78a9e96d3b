// The results of verify and sync, for people and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "fs/control/names_json.h"
#include "fs/ctl/format.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;

std::string totals_line(const TreeTotals& totals) {
  return fmt::format("{} objects ({} directories, {} files with {})", human_count(totals.objects),
                     human_count(totals.directories), human_count(totals.files),
                     human_bytes(static_cast<double>(totals.bytes)));
}

json totals_json(const TreeTotals& totals) {
  return {{"objects", totals.objects},
          {"directories", totals.directories},
          {"files", totals.files},
          {"bytes", totals.bytes}};
}

json named(const std::string& path, const char* key, const std::string& text) {
  json entry;
  control::put_name(entry, "path", path);
  control::put_name(entry, key, text);
  return entry;
}

json differences_json(const std::vector<Difference>& differences) {
  json list = json::array();
  for (const auto& [path, what] : differences) list.push_back(named(path, "what", what));
  return list;
}

json failures_json(const std::vector<Failure>& failures) {
  json list = json::array();
  for (const auto& [path, cause] : failures) list.push_back(named(path, "cause", cause));
  return list;
}

void append_differences(std::string& text, const std::vector<Difference>& differences) {
  for (const auto& [path, what] : differences) {
    fmt::format_to(std::back_inserter(text), "{}: {}\n", printable(path.empty() ? "." : path),
                   printable(what));
  }
}

void append_failures(std::string& text, const std::vector<Failure>& failures) {
  for (const auto& [path, cause] : failures) {
    fmt::format_to(std::back_inserter(text), "{}: failed: {}\n",
                   printable(path.empty() ? "." : path), printable(cause));
  }
}

json ring_json(const RingUse& ring) {
  return {{"enters", ring.enters},
          {"operations", ring.operations},
          {"direct_calls", ring.direct_calls},
          {"offloads", ring.offloads},
          {"wakes", ring.wakes},
          {"retries", ring.retries},
          {"by_opcode", ring.by_opcode}};
}

/// "ring      1,234 operations in 45 calls, 27.4 each", then how many of which kind.
std::string ring_lines(const RingUse& ring) {
  const double calls = static_cast<double>(std::max<std::uint64_t>(1, ring.enters));
  std::string text = fmt::format("ring      {} operations in {} calls, {:.1f} each\n         ",
                                 human_count(ring.operations), human_count(ring.enters),
                                 static_cast<double>(ring.operations) / calls);
  for (const auto& [name, count] : ring.by_opcode) {
    fmt::format_to(std::back_inserter(text), " {} {}", name, human_count(count));
  }
  fmt::format_to(std::back_inserter(text), "\nbesides   {} calls on helper threads\n",
                 human_count(ring.direct_calls + ring.offloads));
  return text;
}

}  // namespace

std::string human_verify(const VerifyReport& report, bool repaired) {
  std::string text;
  append_differences(text, report.differences);
  if (report.differences_total > report.differences.size()) {
    fmt::format_to(std::back_inserter(text), "… and {} more\n",
                   human_count(report.differences_total - report.differences.size()));
  }
  append_failures(text, report.failures);
  if (report.identical()) {
    fmt::format_to(std::back_inserter(text), "identical: {}\n", totals_line(report.compared));
  } else {
    fmt::format_to(std::back_inserter(text), "{} differences{}, {} failures in {}\n",
                   human_count(report.differences_total), repaired ? " repaired" : "",
                   human_count(report.failures.size()), totals_line(report.compared));
  }
  return text;
}

std::string human_live_verify(const LiveReport& report, bool repair) {
  std::string text;
  for (const auto& [path, what] : report.repaired) {
    fmt::format_to(std::back_inserter(text), "{}: repaired: {}\n",
                   printable(path.empty() ? "." : path), printable(what));
  }
  const auto& verify = report.verify;
  append_differences(text, verify.differences);
  if (verify.differences_total > verify.differences.size()) {
    fmt::format_to(std::back_inserter(text), "… and up to {} more\n",
                   human_count(verify.differences_total - verify.differences.size()));
  }
  append_failures(text, verify.failures);
  const std::string busy =
      report.busy.empty() ? "" : fmt::format(", {} busy", human_count(report.busy.size()));
  const std::string repaired =
      repair ? fmt::format(", {} repaired", human_count(report.repaired.size())) : "";
  if (verify.identical()) {
    fmt::format_to(std::back_inserter(text), "identical{}{}: {}\n", repaired, busy,
                   totals_line(verify.compared));
  } else {
    fmt::format_to(std::back_inserter(text), "{} differences{}, {} failures{} in {}\n",
                   human_count(verify.differences_total), repaired,
                   human_count(verify.failures.size()), busy, totals_line(verify.compared));
  }
  return text;
}

std::string human_sync(const SyncReport& report, bool dry_run, bool stats) {
  std::string text;
  append_differences(text, report.planned);
  if (!stats) return text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "seen      {}\n", totals_line(report.seen));
  if (dry_run) {
    fmt::format_to(out, "to do     {} differences\n", human_count(report.planned.size()));
    return text;
  }
  fmt::format_to(out, "copied    {} files, {}\n", human_count(report.files_copied),
                 human_bytes(static_cast<double>(report.bytes_copied)));
  fmt::format_to(out, "created   {}\nremoved   {}\nattributes of {} changed\n",
                 human_count(report.created), human_count(report.removed),
                 human_count(report.metadata_changed));
  return text + ring_lines(report.ring);
}

std::string sync_failures(const SyncReport& report) {
  std::string text;
  for (const auto& [path, cause] : report.failures) {
    fmt::format_to(std::back_inserter(text), "mirrorctl: sync: '{}': {}\n", printable(path),
                   printable(cause));
  }
  if (!report.failures.empty()) {
    fmt::format_to(std::back_inserter(text),
                   "mirrorctl: sync: {} objects failed; the rest is done. Run it again when the "
                   "causes are removed\n",
                   human_count(report.failures.size()));
  }
  if (report.flagged > 0) {
    fmt::format_to(std::back_inserter(text),
                   "mirrorctl: sync: {} objects are immutable or append-only on the source; these "
                   "flags are not mirrored\n",
                   human_count(report.flagged));
  }
  return text;
}

json verify_json(const VerifyReport& report) {
  return {{"identical", report.identical()},
          {"differences_total", report.differences_total},
          {"differences", differences_json(report.differences)},
          {"failures", failures_json(report.failures)},
          {"compared", totals_json(report.compared)}};
}

json live_verify_json(const LiveReport& report) {
  json body = verify_json(report.verify);
  body["repaired"] = differences_json(report.repaired);
  body["busy"] = json::array();
  for (const std::string& path : report.busy) {
    json entry = json::object();
    control::put_name(entry, "path", path);
    body["busy"].push_back(std::move(entry));
  }
  return body;
}

json sync_json(const SyncReport& report) {
  return {{"seen", totals_json(report.seen)},
          {"files_copied", report.files_copied},
          {"bytes_copied", report.bytes_copied},
          {"created", report.created},
          {"removed", report.removed},
          {"metadata_changed", report.metadata_changed},
          {"flags_not_mirrored", report.flagged},
          {"ring", ring_json(report.ring)},
          {"planned", differences_json(report.planned)},
          {"failures", failures_json(report.failures)}};
}

}  // namespace mirrorfs::ctl
