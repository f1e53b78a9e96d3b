#include "fs/daemon/readiness.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace mirrorfs {
namespace {

constexpr std::string_view kReady = "ok\n";

}  // namespace

Result<ReadinessPipe> ReadinessPipe::create() {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe2");
  return ReadinessPipe(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> ReadinessPipe::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(write_end_.get(), text.data(), text.size());
    if (count < 0 && errno != EINTR) return fail_errno("write", "readiness pipe");
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  write_end_.reset();
  return {};
}

Result<void> ReadinessPipe::report_ready() { return send(kReady); }

void ReadinessPipe::report_failure(std::string_view line) {
  const auto sent = send("!" + std::string(line));
  (void)sent;  // the log has the line as well
}

std::expected<void, std::string> ReadinessPipe::wait_for_report() {
  write_end_.reset();  // or the end of the child would not end the pipe
  std::string report;
  std::array<char, 1024> buffer;
  while (true) {
    const ssize_t count = read(read_end_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    report.append(buffer.data(), static_cast<std::size_t>(count));
  }
  if (report == kReady) return {};
  if (report.starts_with('!')) return std::unexpected(report.substr(1));
  return std::unexpected("the daemon died while starting; the system log may say why");
}

Result<void> detach_from_terminal() {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return fail_errno("open", "/dev/null");
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (dup2(null.get(), fd) < 0) return fail_errno("dup2", "/dev/null");
  }
  return {};
}

}  // namespace mirrorfs
