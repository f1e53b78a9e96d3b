// The commands of mirrorctl. Each returns the exit code; errors have been printed by then.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "fs/ctl/arguments.h"

namespace mirrorfs::ctl {

enum ExitCode : int { kExitYes = 0, kExitNo = 1, kExitFailed = 2 };

[[nodiscard]] int run_status(const Arguments& arguments);
[[nodiscard]] int run_check(const Arguments& arguments);
[[nodiscard]] int run_metrics(const Arguments& arguments);
[[nodiscard]] int run_set(const Arguments& arguments);
[[nodiscard]] int run_wait(const Arguments& arguments);
[[nodiscard]] int run_pause(const Arguments& arguments);
[[nodiscard]] int run_resume(const Arguments& arguments);
[[nodiscard]] int run_verify(const Arguments& arguments);
[[nodiscard]] int run_pairs(const Arguments& arguments);
[[nodiscard]] int run_promote(const Arguments& arguments);
[[nodiscard]] int run_sync(const Arguments& arguments);

/// "mirrorctl: LINE" on standard error; returns kExitFailed.
int complain(const std::string& line);

}  // namespace mirrorfs::ctl
