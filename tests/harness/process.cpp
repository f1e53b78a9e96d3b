#include "process.h"

#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <thread>

namespace mirrorfs::test {
namespace {

using Clock = std::chrono::steady_clock;

UniqueFd memory_file() {
  return UniqueFd(check(::memfd_create("output", MFD_CLOEXEC), "memfd_create", {}));
}

std::string text_of(const UniqueFd& file) {
  std::string text;
  char block[4096];
  off_t offset = 0;
  for (ssize_t got; (got = ::pread(file.get(), block, sizeof block, offset)) > 0; offset += got) {
    text.append(block, static_cast<std::size_t>(got));
  }
  return text;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

/// In the child: everything up to exec.
[[noreturn]] void become(std::vector<std::string> command, const RunOptions& options, int out,
                         int err) {
  const UniqueFd nothing(::open("/dev/null", O_RDONLY));
  bool good = ::dup2(nothing.get(), 0) >= 0 && ::dup2(out, 1) >= 0 && ::dup2(err, 2) >= 0;
  if (options.user) {
    good = good && ::setgroups(0, nullptr) == 0 && ::setgid(*options.user) == 0 &&
           ::setuid(*options.user) == 0;
    // A change of identity clears the parent-death signal (prctl(2)).
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  if (!options.directory.empty()) good = good && ::chdir(options.directory.c_str()) == 0;
  for (const std::string& variable : options.environment) {
    const auto equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(), variable.c_str() + equals + 1, 1);
  }
  if (good) ::execvp(command.front().c_str(), pointers_to(command).data());
  std::perror(command.front().c_str());
  ::_exit(127);
}

pid_t fork_child() {
  const pid_t parent = ::getpid();
  std::fflush(nullptr);
  const pid_t pid = check(::fork(), "fork", {});
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
  }
  return pid;
}

}  // namespace

ChildProcess ChildProcess::start(const std::vector<std::string>& command, const RunOptions& options,
                                 int out, int err) {
  const pid_t pid = fork_child();
  if (pid == 0) become(command, options, out, err);
  return ChildProcess(pid);
}

ChildProcess ChildProcess::fork_off(const std::function<void()>& body) {
  const pid_t pid = fork_child();
  if (pid != 0) return ChildProcess(pid);
  int code = 0;
  try {
    body();
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "process %d: %s\n", ::getpid(), problem.what());
    code = 1;
  }
  std::fflush(nullptr);
  ::_exit(code);
}

ChildProcess::~ChildProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  // A process stuck in a dead filesystem may not even take the signal: do not wait forever.
  (void)wait(milliseconds(5'000));
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

std::optional<int> ChildProcess::wait(milliseconds timeout) {
  if (pid_ <= 0) return 0;
  const auto deadline = Clock::now() + timeout;
  for (milliseconds pause(1);; pause = std::min(pause * 2, milliseconds(20))) {
    int status = 0;
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == pid_ || (got < 0 && errno == ECHILD)) {
      pid_ = 0;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (Clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(pause);
  }
}

Finished run(const std::vector<std::string>& command, const RunOptions& options) {
  const UniqueFd out = memory_file();
  const UniqueFd err = memory_file();
  ChildProcess child = ChildProcess::start(command, options, out.get(), err.get());
  const auto code = child.wait(options.timeout);
  return {
      .exit_code = code.value_or(Finished::kTimedOut), .out = text_of(out), .err = text_of(err)};
}

std::string run_or_throw(const std::vector<std::string>& command, const RunOptions& options) {
  Finished finished = run(command, options);
  if (finished.exit_code == 0) return std::move(finished.out);
  throw std::runtime_error(joined(command) + " ended with " + std::to_string(finished.exit_code) +
                           ": " + finished.out + finished.err);
}

Workers::Workers(unsigned count, const std::function<void(unsigned)>& body) {
  for (unsigned index = 0; index < count; ++index) {
    children_.push_back(ChildProcess::fork_off([&] { body(index); }));
  }
}

void Workers::join(milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (std::size_t index = 0; index < children_.size(); ++index) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    const auto code = children_[index].wait(std::max(left, milliseconds(0)));
    if (code && *code == 0) continue;
    throw std::runtime_error("worker " + std::to_string(index) +
                             (code ? " ended with " + std::to_string(*code) : " did not end"));
  }
  children_.clear();
}

void Workers::kill() { children_.clear(); }

bool eventually(const std::function<bool()>& condition, milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (!condition()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

}  // namespace mirrorfs::test
