// How the process that the user started learns whether the daemon it forked has come up.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "mirrorfs/error.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs {

/// A pipe(2) across fork(2): the child reports once, the parent waits.
class ReadinessPipe {
 public:
  [[nodiscard]] static Result<ReadinessPipe> create();

  /// In the child; drops the reading end.
  void become_reporter() { read_end_.reset(); }
  /// EPIPE: the parent was killed, so nothing waits for this mount.
  [[nodiscard]] Result<void> report_ready();
  /// `line` is shown to the user. It is no further error if the parent is gone.
  void report_failure(std::string_view line);

  /// In the parent: blocks until the child reports or dies. The error is the child's line.
  [[nodiscard]] std::expected<void, std::string> wait_for_report();

 private:
  ReadinessPipe(UniqueFd read_end, UniqueFd write_end)
      : read_end_(std::move(read_end)), write_end_(std::move(write_end)) {}
  Result<void> send(std::string_view text);

  UniqueFd read_end_;
  UniqueFd write_end_;
};

/// Standard input, output and error become /dev/null.
[[nodiscard]] Result<void> detach_from_terminal();

}  // namespace mirrorfs
