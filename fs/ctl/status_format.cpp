// The status block for people.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>

#include "fs/ctl/format.h"
#include "fs/ctl/terminal.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;

std::string text(const json& object, const char* key) { return object.value(key, std::string()); }
std::uint64_t number(const json& object, const char* key) {
  return object.value(key, std::uint64_t{0});
}

/// "1,204 of 25,000 files, 12.0 MiB of 3.4 GiB".
std::string progress_line(std::uint64_t files, std::uint64_t files_total, std::uint64_t bytes,
                          std::uint64_t bytes_total) {
  return fmt::format("{} of {} files, {} of {}", human_count(files), human_count(files_total),
                     human_bytes(static_cast<double>(bytes)),
                     human_bytes(static_cast<double>(bytes_total)));
}

class Block {
 public:
  void add(std::string_view label, const std::string& value) {
    fmt::format_to(std::back_inserter(lines_), "  {:<9} {}\n", label, value);
  }
  [[nodiscard]] std::string take() { return std::move(lines_); }

 private:
  std::string lines_;
};

void add_work(Block& block, const json& status, const std::optional<Rates>& rates) {
  block.add("lag", fmt::format("{}, queue {} operations, {}",
                               human_duration(status.value("lag_seconds", 0.0)),
                               human_count(number(status, "queued_ops")),
                               human_bytes(static_cast<double>(number(status, "queued_bytes")))));
  std::string done =
      fmt::format("{} operations, {}", human_count(number(status, "ops_replicated_total")),
                  human_bytes(static_cast<double>(number(status, "bytes_replicated_total"))));
  if (rates) {
    done += fmt::format("; now {:.0f} operations/s, {}/s", rates->operations,
                        human_bytes(rates->bytes));
  }
  block.add("done", done);
  block.add("sequence",
            fmt::format("completed {}, applied {}, durable {}", number(status, "completed_seq"),
                        number(status, "applied_seq"), number(status, "durable_seq")));
}

void add_baseline(Block& block, const json& status) {
  const json baseline = status.value("baseline", json::object());
  if (!baseline.is_object() || !baseline.value("running", false)) return;
  block.add("baseline",
            progress_line(number(baseline, "files_done"), number(baseline, "files_total"),
                          number(baseline, "bytes_done"), number(baseline, "bytes_total")));
}

/// A time in words, as of now.
std::string age(std::int64_t time) {
  const double seconds = std::max(0.0, std::difftime(std::time(nullptr), time));
  return human_duration(seconds) + " ago";
}

void add_scrub(Block& block, const json& status) {
  const json scrub = status.value("scrub", json::object());
  if (!scrub.is_object() || number(scrub, "period_seconds") == 0) return;
  std::string line = scrub.value("last_verify", json()).is_number()
                         ? fmt::format("all was compared {}, {} differences",
                                       age(scrub.value("last_verify", std::int64_t{0})),
                                       human_count(number(scrub, "last_differences")))
                         : std::string("no pass is complete yet");
  if (scrub.value("running", false)) {
    line += fmt::format("; now {} objects, {}, {} differences",
                        human_count(number(scrub, "pass_objects")),
                        human_bytes(static_cast<double>(number(scrub, "pass_bytes"))),
                        human_count(number(scrub, "pass_differences")));
  }
  block.add("scrub", line);
}

void add_losses(Block& block, const json& status) {
  std::string lost;
  for (const json& name : status.value("losses", json::array())) {
    if (!lost.empty()) lost += ", ";
    lost += name.get<std::string>();
  }
  if (!lost.empty()) block.add("left out", lost + " (DST's filesystem cannot hold it; tolerated)");
}

void add_exclusion(Block& block, const json& status) {
  std::string patterns;
  for (const json& pattern : status.value("exclude", json::array())) {
    if (!patterns.empty()) patterns += ", ";
    patterns += printable(pattern.get<std::string>());
  }
  if (!patterns.empty()) block.add("excluded", patterns);
}

void add_troubles(Block& block, const json& status) {
  if (const auto marks = number(status, "marks"); marks != 0) {
    block.add("marks", fmt::format("{} objects may differ", human_count(marks)));
  }
  if (const auto errors = number(status, "errors_total"); errors != 0) {
    block.add("errors", fmt::format("{}, the last: {}", human_count(errors),
                                    printable(text(status, "last_error"))));
  }
  const json failed = status.value("failed", json::array());
  for (const json& object : failed) {
    block.add("failed", fmt::format("'{}': {}", printable(text(object, "path")),
                                    printable(text(object, "cause"))));
  }
}

/// Green: all is there. Red: somebody has to do something. Else it will pass.
Color color_of(const std::string& state) {
  constexpr std::array kBad = {"degraded", "dead", "hung", "absent"};
  if (state == "in-sync" || state == "complete") return Color::kGreen;
  return std::ranges::find(kBad, state) != kBad.end() ? Color::kRed : Color::kYellow;
}

/// "/srv/data: degraded: 'a': No space left on device; detached (umount -l): ..."
std::string headline(const json& status, bool colors) {
  std::string state = text(status, "state");
  if (colors) state = colored(state, color_of(state));
  std::string line = fmt::format("{}: {}", printable(text(status, "mount")), state);
  if (const auto cause = text(status, "cause"); !cause.empty()) line += ": " + printable(cause);
  const std::string detail = text(status, "presence_detail");
  if (!detail.empty() && detail != text(status, "cause")) line += "; " + printable(detail);
  return line;
}

}  // namespace

std::optional<Rates> rates_between(const json& earlier, const json& later) {
  const double seconds = later.value("uptime_seconds", 0.0) - earlier.value("uptime_seconds", 0.0);
  if (seconds <= 0 || earlier.value("pid", 0) != later.value("pid", 0)) return std::nullopt;
  const auto per_second = [&](const char* key) {
    return (later.value(key, 0.0) - earlier.value(key, 0.0)) / seconds;
  };
  return Rates{per_second("ops_replicated_total"), per_second("bytes_replicated_total")};
}

std::string human_status(const json& status, const std::optional<Rates>& rates, bool colors) {
  if (!status.contains("source")) return headline(status, colors) + "\n";  // no daemon answers
  Block block;
  block.add("source", printable(text(status, "source")));
  block.add("replica", printable(text(status, "replica")));
  block.add("settings", fmt::format("mode {}, io {}, transport {}", text(status, "mode"),
                                    text(status, "io"), text(status, "transport")));
  if (const auto rate = number(status, "rate_limit"); rate != 0) {
    block.add("limit", fmt::format("{}/s for the baseline and catching up",
                                   human_bytes(static_cast<double>(rate))));
  }
  add_work(block, status, rates);
  add_baseline(block, status);
  add_scrub(block, status);
  add_losses(block, status);
  add_exclusion(block, status);
  add_troubles(block, status);
  block.add("daemon", fmt::format("pid {}, up {}", status.value("pid", 0),
                                  human_duration(status.value("uptime_seconds", 0.0))));
  return fmt::format("{}\n{}", headline(status, colors), block.take());
}

}  // namespace mirrorfs::ctl
