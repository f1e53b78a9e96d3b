#include "fs/ctl/progress.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>

#include "fs/ctl/format.h"
#include "fs/ctl/terminal.h"

namespace mirrorfs::ctl {
namespace {

constexpr std::chrono::seconds kBetweenLines{1};
constexpr std::array<std::size_t, 2> kBarWidths = {24, 10};  // characters
constexpr double kWholeTree = 0.9999;                        // of a sum of many small shares

double share(std::uint64_t done, std::uint64_t total) {
  return std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

/// Of objects or of bytes, whichever is further behind: the one is what takes long with many small
/// files, the other with a few large ones. No more than the walk has been through: what it has not
/// found yet is in neither.
double fraction_done(const BaselineProgress& progress) {
  if (!progress.running) return 1;
  if (progress.files_total == 0) return 0;
  const double objects = share(progress.files_done, progress.files_total);
  const double bytes =
      progress.bytes_total == 0 ? 1 : share(progress.bytes_done, progress.bytes_total);
  return std::min({progress.share_walked, objects, bytes});
}

/// After a total that more may still be found for.
std::string_view and_more(const BaselineProgress& progress) {
  return progress.running && progress.share_walked < kWholeTree ? "+" : "";
}

std::string objects_of(const BaselineProgress& progress) {
  return fmt::format("{} of {}{} objects", human_count(progress.files_done),
                     human_count(progress.files_total), and_more(progress));
}

/// "12 s left", or how long it took; empty: nothing can be said.
std::string time_of(const BaselineProgress& progress, double elapsed_seconds) {
  if (elapsed_seconds <= 0) return {};
  if (!progress.running) return fmt::format(", {}", human_duration(elapsed_seconds));
  const double fraction = fraction_done(progress);
  if (fraction <= 0) return {};
  return fmt::format(", {} left", human_duration(elapsed_seconds * (1 - fraction) / fraction));
}

}  // namespace

std::string progress_line(const BaselineProgress& progress, double elapsed_seconds) {
  const auto done = static_cast<double>(progress.bytes_done);
  std::string line =
      fmt::format("{}, {} of {}{}", objects_of(progress), human_bytes(done),
                  human_bytes(static_cast<double>(progress.bytes_total)), and_more(progress));
  if (elapsed_seconds > 0) line += fmt::format(", {}/s", human_bytes(done / elapsed_seconds));
  return line + time_of(progress, elapsed_seconds);
}

std::string progress_bar(const BaselineProgress& progress, double elapsed_seconds,
                         std::size_t width) {
  const double fraction = fraction_done(progress);
  const std::string percent = fmt::format("{:3} %", static_cast<int>(fraction * 100));
  const std::string line = progress_line(progress, elapsed_seconds);
  for (const std::size_t bar : kBarWidths) {
    const auto full = static_cast<std::size_t>(fraction * static_cast<double>(bar));
    std::string drawn = fmt::format("[{}{}] {}  {}", std::string(full, '#'),
                                    std::string(bar - full, '-'), percent, line);
    if (drawn.size() <= width) return drawn;
  }
  const std::string shorter = objects_of(progress) + time_of(progress, elapsed_seconds);
  for (const std::string& rest : {line, shorter, objects_of(progress)}) {
    if (percent.size() + 2 + rest.size() <= width) return percent + "  " + rest;
  }
  return percent.substr(0, width);
}

ProgressPrinter::ProgressPrinter(std::FILE* out) : out_(out), terminal_(is_terminal(out)) {}

void ProgressPrinter::show(const BaselineProgress& progress) {
  const auto now = Clock::now();
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  if (terminal_) {
    // In the last column some terminals begin the next line.
    const std::string bar = progress_bar(progress, elapsed, terminal_width(out_) - 1);
    fmt::print(out_, "\r\x1b[K{}{}", bar, progress.running ? "" : "\n");
  } else if (!progress.running || now - last_line_ >= kBetweenLines) {
    last_line_ = now;
    fmt::print(out_, "{}\n", progress_line(progress, elapsed));
  }
  std::fflush(out_);
}

}  // namespace mirrorfs::ctl
