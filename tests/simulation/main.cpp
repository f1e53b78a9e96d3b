// simulate: runs seeds, tells which of them break a promise, replays one in words.
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "mirrorfs/log.h"
#include "plan.h"
#include "playground.h"
#include "run.h"
#include "shrink.h"

namespace mirrorfs::simulation {
namespace {

struct Arguments {
  std::uint64_t from = 0, to = 0;
  unsigned jobs = 1;
  unsigned seconds = 0;  ///< 0: no limit
  unsigned most_failures = 20;
  bool trace = false;
  bool describe = false;
  bool shrinks = false;
  bool digests = false;
  std::string options;
};

/// Shared with the parent, which sees what a child was at when it died.
struct Job {
  std::atomic<std::uint64_t> seed, done, failed;
  std::array<char, 128> directory;  ///< to be removed should the child die
};

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  fmt::print(stderr, "simulate: '{}' is not a number\n", text);
  std::exit(2);
}

Plan plan_of(std::uint64_t seed, const Arguments& arguments) {
  Plan plan = draw_plan(seed);
  if (auto changed = change_plan(plan, arguments.options); !changed) {
    fmt::print(stderr, "simulate: {}\n", changed.error());
    std::exit(2);
  }
  return plan;
}

void report(std::uint64_t seed, const std::string& failure) {
  fmt::print("seed {}: {}\n", seed, failure);
  std::fflush(stdout);
}

int run_one(const Arguments& arguments) {
  const Plan plan = plan_of(arguments.from, arguments);
  if (arguments.describe || arguments.trace) fmt::print("{}\n", describe(plan));
  EngineUnderTest::prepare();
  Playground playground;
  Trace trace(arguments.trace ? stdout : nullptr);
  const Verdict verdict = run_plan(plan, playground, trace);
  fmt::print("seed {}: {} steps, digest {:016x}: {}\n", arguments.from, verdict.steps,
             verdict.digest, verdict.failure.empty() ? "good" : verdict.failure);
  return verdict.failure.empty() ? 0 : 1;
}

int shrink_one(const Arguments& arguments) {
  const auto options = shrink(arguments.from, arguments.options);
  if (!options) {
    fmt::print("seed {} does not fail\n", arguments.from);
    return 0;
  }
  Arguments small = arguments;
  small.options = *options;
  small.trace = true;
  fmt::print("simulate --seed={} --trace --options={}\n", small.from, small.options);
  return run_one(small);
}

/// False: more are left, for another process. This one has lost some memory at each crash.
bool run_share(const Arguments& arguments, Job& job) {
  constexpr unsigned kMostInOneProcess = 1000;
  EngineUnderTest::prepare();
  Playground playground;
  playground.base().copy(job.directory.data(), job.directory.size() - 1);
  std::uint64_t seed = job.seed.load();
  for (unsigned count = 0; seed < arguments.to && count < kMostInOneProcess; ++count) {
    const Plan plan = plan_of(seed, arguments);
    Trace trace;
    const Verdict verdict = run_plan(plan, playground, trace);
    ++job.done;
    if (!verdict.failure.empty()) {
      ++job.failed;
      report(seed, verdict.failure);
    }
    if (arguments.digests) fmt::print("seed {} digest {:016x}\n", seed, verdict.digest);
    seed += arguments.jobs;
    job.seed.store(seed);
  }
  return seed >= arguments.to;
}

constexpr int kMoreIsLeft = 3;

pid_t start_job(const Arguments& arguments, Job& job) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  const bool finished = run_share(arguments, job);
  std::fflush(stdout);
  ::_exit(finished ? 0 : kMoreIsLeft);
}

int run_many(const Arguments& arguments) {
  void* const memory = ::mmap(nullptr, sizeof(Job) * arguments.jobs, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* const jobs = static_cast<Job*>(memory);
  const auto began = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  std::vector<pid_t> children;
  std::vector<std::pair<std::uint64_t, double>> last_seen(arguments.jobs, {~0ULL, 0.0});
  for (unsigned at = 0; at < arguments.jobs; ++at) {
    jobs[at].seed = arguments.from + at;
    children.push_back(start_job(arguments, jobs[at]));
  }
  constexpr double kPatience = 30;
  const auto failures = [&] {
    std::uint64_t failed = 0;
    for (unsigned at = 0; at < arguments.jobs; ++at) failed += jobs[at].failed;
    return failed;
  };
  unsigned running = arguments.jobs;
  while (running > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const bool enough = failures() >= arguments.most_failures ||
                        (arguments.seconds != 0 && seconds() > arguments.seconds);
    for (unsigned at = 0; at < arguments.jobs; ++at) {
      if (children[at] == 0) continue;
      Job& job = jobs[at];
      const std::uint64_t seed = job.seed.load();
      if (seed != last_seen[at].first) last_seen[at] = {seed, seconds()};
      const bool hangs = seconds() - last_seen[at].second > kPatience;
      if (enough || hangs) ::kill(children[at], SIGKILL);
      int status = 0;
      if (::waitpid(children[at], &status, enough || hangs ? 0 : WNOHANG) == 0) continue;
      children[at] = 0;
      std::error_code ignored;
      std::filesystem::remove_all(job.directory.data(), ignored);
      const bool finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
      if (finished || enough) {
        --running;
        continue;
      }
      if (WIFEXITED(status) && WEXITSTATUS(status) == kMoreIsLeft) {
        children[at] = start_job(arguments, job);
        continue;
      }
      report(seed, hangs
                       ? "hangs in one step"
                       : fmt::format("the process died: {}",
                                     WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "exit"));
      ++job.done;
      ++job.failed;
      job.seed = seed + arguments.jobs;
      children[at] = start_job(arguments, job);
    }
  }
  std::uint64_t done = 0;
  std::uint64_t last = arguments.from;
  for (unsigned at = 0; at < arguments.jobs; ++at) {
    done += jobs[at].done;
    last = std::max(last, std::min(jobs[at].seed.load(), arguments.to) - 1);
  }
  const std::uint64_t failed = failures();
  fmt::print("{} seeds from {} to {}, {} failed, {:.1f} s, {:.0f} seeds/s\n", done, arguments.from,
             last, failed, seconds(), static_cast<double>(done) / seconds());
  ::munmap(memory, sizeof(Job) * arguments.jobs);
  return failed == 0 ? 0 : 1;
}

bool take(std::string_view argument, std::string_view key, std::string_view& value) {
  if (!argument.starts_with(key)) return false;
  value = argument.substr(key.size());
  return true;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  bool range = false;
  for (int at = 1; at < argc; ++at) {
    const std::string_view argument = argv[at];
    std::string_view value;
    if (take(argument, "--seed=", value)) {
      arguments.from = number(value);
      arguments.to = arguments.from + 1;
    } else if (take(argument, "--seeds=", value)) {
      const std::size_t dots = value.find("..");
      arguments.from = number(value.substr(0, dots));
      arguments.to = number(value.substr(dots + 2));
      range = true;
    } else if (take(argument, "--jobs=", value)) {
      arguments.jobs = static_cast<unsigned>(number(value));
    } else if (take(argument, "--seconds=", value)) {
      arguments.seconds = static_cast<unsigned>(number(value));
    } else if (take(argument, "--failures=", value)) {
      arguments.most_failures = static_cast<unsigned>(number(value));
    } else if (take(argument, "--options=", value)) {
      arguments.options = value;
    } else if (argument == "--trace") {
      arguments.trace = true;
    } else if (argument == "--shrink") {
      arguments.shrinks = true;
    } else if (argument == "--digests") {
      arguments.digests = true;
    } else if (argument == "--describe") {
      arguments.describe = true;
    } else {
      fmt::print(stderr,
                 "usage: simulate --seed=N [--trace] [--describe] [--shrink] [--options=…]\n"
                 "       simulate --seeds=FROM..TO [--jobs=N] [--seconds=S] [--failures=N] "
                 "[--options=…]\n");
      std::exit(2);
    }
  }
  if (!range) arguments.jobs = 0;
  return arguments;
}

}  // namespace
}  // namespace mirrorfs::simulation

int main(int argc, char** argv) {
  using namespace mirrorfs;
  const simulation::Arguments arguments = simulation::parse(argc, argv);
  ::umask(0);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  // The engine has a lot to complain about here.
  if (!configure_log({LogLevel::kError, LogTarget::kFile, "/dev/null"})) return 2;
  if (arguments.shrinks) return simulation::shrink_one(arguments);
  return arguments.jobs == 0 ? simulation::run_one(arguments) : simulation::run_many(arguments);
}
