#include "isolated.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::simulation {
namespace {

constexpr int kPatience = 20'000;  // milliseconds

[[noreturn]] void run_and_tell(const Plan& plan, Playground& playground, int output) {
  EngineUnderTest::prepare();
  playground.keep_open_descriptors();
  Trace trace;
  const Verdict verdict = run_plan(plan, playground, trace);
  static_cast<void>(!::write(output, verdict.failure.data(), verdict.failure.size()));
  ::_exit(0);
}

/// Until the other end is closed; false: it took too long.
bool read_all(int input, std::string& text) {
  for (;;) {
    pollfd waiting{.fd = input, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kPatience) == 0) return false;
    std::array<char, 4096> buffer;
    const ssize_t got = ::read(input, buffer.data(), buffer.size());
    if (got <= 0) return true;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

Verdict run_isolated(const Plan& plan) {
  std::fflush(stdout);
  Playground playground;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {.failure = "pipe"};
  UniqueFd input(ends[0]);
  UniqueFd output(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) run_and_tell(plan, playground, output.get());
  output.reset();
  Verdict verdict;
  const bool in_time = read_all(input.get(), verdict.failure);
  if (!in_time) ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!in_time)
    verdict.failure = "hangs in one step";
  else if (WIFSIGNALED(status)) {
    verdict.failure = fmt::format("the process died: {}", ::strsignal(WTERMSIG(status)));
  }
  return verdict;
}

}  // namespace mirrorfs::simulation
