// What --progress shows while a sync runs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>

#include "mirrorfs/status.h"

namespace mirrorfs::ctl {

/// "10,432 of 20,200+ objects, 40.1 MiB of 80.0 MiB+, 81.2 MiB/s, 3 s left". The plus goes when the
/// walk has found everything; until then the time left is a guess.
[[nodiscard]] std::string progress_line(const BaselineProgress& progress, double elapsed_seconds);

/// "[#####-----]  52 %  " and the line, or as much of it as `width` columns hold.
[[nodiscard]] std::string progress_bar(const BaselineProgress& progress, double elapsed_seconds,
                                       std::size_t width);

/// On a terminal one bar that is drawn over itself, as wide as the terminal is then; elsewhere a
/// line now and then. One thread.
class ProgressPrinter {
 public:
  explicit ProgressPrinter(std::FILE* out);
  void show(const BaselineProgress& progress);

 private:
  using Clock = std::chrono::steady_clock;
  std::FILE* const out_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_line_ = start_;
};

}  // namespace mirrorfs::ctl
