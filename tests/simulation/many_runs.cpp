#include "many_runs.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "playground.h"
#include "run.h"

namespace mirrorfs::simulation {
namespace {

constexpr unsigned kMostInOneProcess = 1000;  // each simulated crash leaves some memory behind
constexpr int kMoreIsLeft = 3;                // exit status of a process that did so many
constexpr double kPatience = 30;              // seconds for one seed

/// Shared with the parent, which sees what a child was at when it died.
struct Progress {
  std::atomic<std::uint64_t> seed, done, failed;
  std::array<char, 128> directory;  ///< to be removed should the child die
};

void report(std::uint64_t seed, const std::string& failure) {
  fmt::print("seed {}: {}\n", seed, failure);
  std::fflush(stdout);
}

class Job {
 public:
  Job(const Arguments& arguments, Progress& progress, std::uint64_t first)
      : arguments_(arguments), progress_(progress) {
    progress_.seed = first;
    start();
  }

  [[nodiscard]] bool running() const { return child_ != 0; }
  /// Looks after the child; `enough`: ends it.
  void watch(double now, bool enough);

 private:
  void start();
  /// False: there is more to do, for another process.
  bool run_share();

  const Arguments& arguments_;
  Progress& progress_;
  pid_t child_ = 0;
  std::uint64_t last_seed_ = ~std::uint64_t{0};
  double last_change_ = 0;
};

void Job::start() {
  std::fflush(stdout);
  child_ = ::fork();
  if (child_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool finished = run_share();
  std::fflush(stdout);
  ::_exit(finished ? 0 : kMoreIsLeft);
}

bool Job::run_share() {
  EngineUnderTest::prepare();
  Playground playground;
  playground.base().copy(progress_.directory.data(), progress_.directory.size() - 1);
  std::uint64_t seed = progress_.seed.load();
  for (unsigned count = 0; seed < arguments_.to && count < kMostInOneProcess; ++count) {
    const Plan plan = plan_of(seed, arguments_.options);
    Trace trace;
    const Verdict verdict = run_plan(plan, playground, trace);
    ++progress_.done;
    if (!verdict.failure.empty()) {
      ++progress_.failed;
      report(seed, verdict.failure);
    }
    if (arguments_.digests) fmt::print("seed {} digest {:016x}\n", seed, verdict.digest);
    seed += arguments_.jobs;
    progress_.seed.store(seed);
  }
  return seed >= arguments_.to;
}

void Job::watch(double now, bool enough) {
  const std::uint64_t seed = progress_.seed.load();
  if (seed != std::exchange(last_seed_, seed)) last_change_ = now;
  const bool hangs = now - last_change_ > kPatience;
  if (enough || hangs) ::kill(child_, SIGKILL);
  int status = 0;
  if (::waitpid(child_, &status, enough || hangs ? 0 : WNOHANG) == 0) return;
  child_ = 0;
  std::error_code ignored;
  std::filesystem::remove_all(progress_.directory.data(), ignored);
  if (enough || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != kMoreIsLeft) {
    const char* const how = WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "exit";
    report(seed, hangs ? "hangs in one step" : fmt::format("the process died: {}", how));
    ++progress_.done;
    ++progress_.failed;
    progress_.seed = seed + arguments_.jobs;
  }
  start();
}

}  // namespace

int run_many(const Arguments& arguments) {
  const std::size_t size = sizeof(Progress) * arguments.jobs;
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const std::span progress(static_cast<Progress*>(memory), arguments.jobs);
  const auto began = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  std::vector<Job> jobs;
  for (unsigned at = 0; at < arguments.jobs; ++at) {
    jobs.emplace_back(arguments, progress[at], arguments.from + at);
  }
  const auto sum = [&](std::atomic<std::uint64_t> Progress::* member) {
    std::uint64_t all = 0;
    for (const Progress& job : progress) all += (job.*member).load();
    return all;
  };
  while (std::ranges::any_of(jobs, &Job::running)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const bool enough = sum(&Progress::failed) >= arguments.most_failures ||
                        (arguments.seconds != 0 && seconds() > arguments.seconds);
    for (Job& job : jobs) {
      if (job.running()) job.watch(seconds(), enough);
    }
  }
  std::uint64_t last = arguments.from;
  for (const Progress& job : progress)
    last = std::max(last, std::min(job.seed.load(), arguments.to));
  const std::uint64_t done = sum(&Progress::done);
  const std::uint64_t failed = sum(&Progress::failed);
  fmt::print("{} seeds from {} to {}, {} failed, {:.1f} s, {:.0f} seeds/s\n", done, arguments.from,
             last, failed, seconds(), static_cast<double>(done) / seconds());
  ::munmap(memory, size);
  return failed == 0 ? 0 : 1;
}

}  // namespace mirrorfs::simulation
