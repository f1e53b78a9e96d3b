#include "fs/ctl/metrics.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "fs/control/names_json.h"
#include "mirrorfs/printable.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;

/// A number of the status under its own key.
struct Metric {
  std::string_view name, type, help;
  const char* key;
};

constexpr std::array kMetrics = {
    Metric{"mirrorfs_lag_seconds", "gauge",
           "Age of the oldest change that the replica lacks, marked ones included.",
           "/lag_seconds"},
    Metric{"mirrorfs_queued_operations", "gauge", "Operations that are not applied yet.",
           "/queued_ops"},
    Metric{"mirrorfs_queued_bytes", "gauge", "Memory that they take.", "/queued_bytes"},
    Metric{"mirrorfs_queue_size_bytes", "gauge", "Most memory that they may take.", "/queue_size"},
    Metric{"mirrorfs_marks", "gauge", "Objects that may differ between source and replica.",
           "/marks"},
    Metric{"mirrorfs_errors_total", "counter", "Failures on the replica.", "/errors_total"},
    Metric{"mirrorfs_last_error_timestamp_seconds", "gauge", "When the last of them was.",
           "/last_error_time"},
    Metric{"mirrorfs_replicated_bytes_total", "counter", "Bytes written to the replica.",
           "/bytes_replicated_total"},
    Metric{"mirrorfs_replicated_operations_total", "counter", "Operations applied.",
           "/ops_replicated_total"},
    Metric{"mirrorfs_completed_operations_total", "counter",
           "Number of the last operation on the source.", "/completed_seq"},
    Metric{"mirrorfs_applied_operations_total", "counter", "Number of the last operation applied.",
           "/applied_seq"},
    Metric{"mirrorfs_durable_operations_total", "counter",
           "Number of the last operation that is durable on the replica.", "/durable_seq"},
    Metric{"mirrorfs_baseline_running", "gauge", "1 while source and replica are compared.",
           "/baseline/running"},
    Metric{"mirrorfs_baseline_files_done", "gauge", "Objects compared by the baseline.",
           "/baseline/files_done"},
    Metric{"mirrorfs_baseline_files", "gauge", "Objects that it knows of.",
           "/baseline/files_total"},
    Metric{"mirrorfs_baseline_bytes_done", "gauge", "Bytes compared by the baseline.",
           "/baseline/bytes_done"},
    Metric{"mirrorfs_baseline_bytes", "gauge", "Bytes that it knows of.", "/baseline/bytes_total"},
    Metric{"mirrorfs_rate_limit_bytes_per_second", "gauge",
           "Most that the baseline and catching up read; 0: no limit.", "/rate_limit"},
    Metric{"mirrorfs_scrub_period_seconds", "gauge",
           "How long a pass of the scrub is to take; 0: off.", "/scrub/period_seconds"},
    Metric{"mirrorfs_scrub_objects_total", "counter", "Objects that the scrub has compared.",
           "/scrub/objects_total"},
    Metric{"mirrorfs_scrub_bytes_total", "counter", "Content that it has compared.",
           "/scrub/bytes_total"},
    Metric{"mirrorfs_scrub_differences_total", "counter", "Differences that it has found.",
           "/scrub/differences_total"},
    Metric{"mirrorfs_scrub_last_verify_timestamp_seconds", "gauge",
           "When its last complete pass ended.", "/scrub/last_verify"},
    Metric{"mirrorfs_replica_free_bytes", "gauge", "Free space of the replica's filesystem.",
           "/replica_free_bytes"},
    Metric{"mirrorfs_replica_free_inodes", "gauge", "Free inodes of the replica's filesystem.",
           "/replica_free_inodes"},
    Metric{"mirrorfs_generation", "gauge", "Changes of roles of the pair, counted.", "/generation"},
    Metric{"mirrorfs_state_since_timestamp_seconds", "gauge", "Since when the state is as it is.",
           "/state_since"},
    Metric{"mirrorfs_uptime_seconds", "gauge", "Since when the daemon runs.", "/uptime_seconds"},
};

constexpr std::array<std::string_view, 6> kStates = {"baseline",    "in-sync",  "lagging",
                                                     "catching-up", "degraded", "paused"};
constexpr std::array kPresences = {Presence::kServed,    Presence::kDraining, Presence::kDetached,
                                   Presence::kElsewhere, Presence::kHung,     Presence::kDead,
                                   Presence::kAbsent};

/// Label values are UTF-8 with \, " and newlines escaped; printable() leaves none of the two
/// others, and its own backslashes are escaped once more.
std::string label_value(std::string_view text) {
  std::string value;
  for (const char character : printable(text)) {
    if (character == '\\' || character == '"') value += '\\';
    value += character;
  }
  return value;
}

using Labels = std::vector<std::pair<std::string_view, std::string>>;

std::string joined(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", name, label_value(value));
  }
  return "{" + text + "}";
}

class Text {
 public:
  void begin(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(out(), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
    name_ = name;
  }
  void add(const Labels& labels, double value) {
    // 17 digits tell every number apart; the format takes exponents.
    fmt::format_to(out(), "{}{} {:.17g}\n", name_, joined(labels), value);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }
  std::string text_;
  std::string_view name_;
};

/// Nothing: the status does not have it, or it is not known.
std::optional<double> number_at(const json& status, const char* pointer) {
  const json::json_pointer place(pointer);
  if (!status.contains(place)) return std::nullopt;
  const json& value = status.at(place);
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<double>();
  return std::nullopt;
}

void add_presence(Text& text, std::span<const MountReport> reports) {
  text.begin("mirrorfs_up", "gauge",
             "1 if the mount is there and its daemon answers; 0 if it should be.");
  for (const MountReport& report : reports) {
    text.add({{"mount", report.mount}}, report.presence == Presence::kServed ? 1 : 0);
  }
  text.begin("mirrorfs_presence", "gauge", "1 for the one that holds.");
  for (const MountReport& report : reports) {
    for (const Presence presence : kPresences) {
      text.add({{"mount", report.mount}, {"presence", std::string(to_string(presence))}},
               report.presence == presence ? 1 : 0);
    }
  }
}

void add_states(Text& text, std::span<const MountReport> reports) {
  text.begin("mirrorfs_state", "gauge", "1 for the state that the mirror is in.");
  for (const MountReport& report : reports) {
    if (!report.status.is_object()) continue;
    for (const std::string_view state : kStates) {
      text.add({{"mount", report.mount}, {"state", std::string(state)}},
               report.status.value("state", "") == state ? 1 : 0);
    }
  }
  text.begin("mirrorfs_state_seconds_total", "counter", "How long it was in each state.");
  for (const MountReport& report : reports) {
    if (!report.status.is_object()) continue;
    const json seconds = report.status.value("state_seconds", json::object());
    for (const auto& [state, time] : seconds.items()) {
      text.add({{"mount", report.mount}, {"state", state}}, time.get<double>());
    }
  }
}

void add_information(Text& text, std::span<const MountReport> reports) {
  text.begin("mirrorfs_info", "gauge", "What does not change often, as labels; always 1.");
  for (const MountReport& report : reports) {
    const json& status = report.status;
    if (!status.is_object()) continue;
    text.add({{"mount", report.mount},
              {"source", control::name_from(status, "source")},
              {"replica", control::name_from(status, "replica")},
              {"mode", status.value("mode", "")},
              {"io", status.value("io", "")},
              {"transport", status.value("transport", "")},
              {"version", status.value("version", "")}},
             1);
  }
}

void add_numbers(Text& text, std::span<const MountReport> reports) {
  for (const Metric& metric : kMetrics) {
    bool begun = false;
    for (const MountReport& report : reports) {
      const auto value = number_at(report.status, metric.key);
      if (!value) continue;
      if (!begun) text.begin(metric.name, metric.type, metric.help);
      begun = true;
      text.add({{"mount", report.mount}}, *value);
    }
  }
}

}  // namespace

std::string metrics_text(std::span<const MountReport> reports) {
  Text text;
  add_presence(text, reports);
  add_states(text, reports);
  add_information(text, reports);
  add_numbers(text, reports);
  return text.take();
}

}  // namespace mirrorfs::ctl
