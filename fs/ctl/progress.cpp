#include "fs/ctl/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "fs/ctl/format.h"

namespace mirrorfs::ctl {
namespace {

constexpr std::chrono::seconds kBetweenLines{1};
constexpr std::size_t kBarWidth = 24;  // characters

double share(std::uint64_t done, std::uint64_t total) {
  return std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

/// Of objects or of bytes, whichever is further behind: the one is what takes long with many small
/// files, the other with a few large ones.
double fraction_done(const BaselineProgress& progress) {
  if (progress.files_total == 0) return progress.running ? 0 : 1;
  const double objects = share(progress.files_done, progress.files_total);
  if (progress.bytes_total == 0) return objects;
  return std::min(objects, share(progress.bytes_done, progress.bytes_total));
}

}  // namespace

std::string progress_line(const BaselineProgress& progress, double elapsed_seconds) {
  const auto done = static_cast<double>(progress.bytes_done);
  std::string line = fmt::format("{} of {} objects, {} of {}", human_count(progress.files_done),
                                 human_count(progress.files_total), human_bytes(done),
                                 human_bytes(static_cast<double>(progress.bytes_total)));
  if (elapsed_seconds <= 0) return line;
  line += fmt::format(", {}/s", human_bytes(done / elapsed_seconds));
  const double fraction = fraction_done(progress);
  if (!progress.running) {
    line += fmt::format(", {}", human_duration(elapsed_seconds));
  } else if (fraction > 0) {
    line += fmt::format(", {} left", human_duration(elapsed_seconds * (1 - fraction) / fraction));
  }
  return line;
}

std::string progress_bar(const BaselineProgress& progress, double elapsed_seconds) {
  const double fraction = fraction_done(progress);
  const auto full = static_cast<std::size_t>(fraction * static_cast<double>(kBarWidth));
  return fmt::format("[{}{}] {:3} %  {}", std::string(full, '#'),
                     std::string(kBarWidth - full, '-'), static_cast<int>(fraction * 100),
                     progress_line(progress, elapsed_seconds));
}

ProgressPrinter::ProgressPrinter(std::FILE* out)
    : out_(out), terminal_(::isatty(::fileno(out)) == 1) {}

void ProgressPrinter::show(const BaselineProgress& progress) {
  const auto now = Clock::now();
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  if (terminal_) {
    fmt::print(out_, "\r\x1b[K{}{}", progress_bar(progress, elapsed), progress.running ? "" : "\n");
  } else if (!progress.running || now - last_line_ >= kBetweenLines) {
    last_line_ = now;
    fmt::print(out_, "{}\n", progress_line(progress, elapsed));
  }
  std::fflush(out_);
}

}  // namespace mirrorfs::ctl
