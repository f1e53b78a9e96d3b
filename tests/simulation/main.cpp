// simulate: runs seeds, tells which of them break a promise, replays one in words.
#include <fmt/core.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "arguments.h"
#include "isolated.h"
#include "many_runs.h"
#include "mirrorfs/log.h"
#include "playground.h"
#include "run.h"
#include "shrink.h"

namespace mirrorfs::simulation {
namespace {

int run_one(const Arguments& arguments) {
  const Plan plan = plan_of(arguments.from, arguments.options);
  fmt::print("{}\n", describe(plan));
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
  fmt::print("simulate --seed={} --trace --options={}\n", arguments.from, *options);
  Arguments small = arguments;
  small.options = *options;
  small.trace = true;
  return run_one(small);
}

/// A run is a function of its seed: the second time it makes the same choices and ends the same.
int replay_twice(const Arguments& arguments) {
  EngineUnderTest::prepare();
  Playground playground;
  int status = 0;
  for (std::uint64_t seed = arguments.from; seed < arguments.to; ++seed) {
    const Plan plan = plan_of(seed, arguments.options);
    Trace first;
    Trace second;
    const Verdict once = run_plan(plan, playground, first);
    const Verdict again = run_plan(plan, playground, second);
    // Further lines may tell times that the kernel gave.
    const auto first_line = [](const std::string& text) { return text.substr(0, text.find('\n')); };
    const bool same = first_line(once.failure) == first_line(again.failure);
    if (once.digest == again.digest && same) continue;
    fmt::print("seed {} does not replay: digest {:016x}, then {:016x}\n", seed, once.digest,
               again.digest);
    status = 1;
  }
  return status;
}

/// Seeds that once failed, with their options: one a line; what begins with # is a comment. One
/// behind the word «open» may fail still.
int run_corpus(const Arguments& arguments) {
  std::ifstream file(arguments.corpus);
  if (!file) {
    fmt::print(stderr, "simulate: cannot read {}\n", arguments.corpus);
    return 2;
  }
  int status = 0;
  unsigned count = 0;
  for (std::string line; std::getline(file, line);) {
    const bool open = line.starts_with("open ");
    std::istringstream words(open ? line.substr(5) : line);
    std::uint64_t seed = 0;
    std::string options;
    if (line.starts_with("#") || !(words >> seed)) continue;
    words >> options;
    ++count;
    const Verdict verdict = run_isolated(plan_of(seed, options));
    if (verdict.failure.empty()) {
      if (open) fmt::print("seed {} fails no more: take «open» away\n", seed);
      continue;
    }
    fmt::print("seed {} with '{}'{}: {}\n", seed, options, open ? ", open" : "", verdict.failure);
    if (!open) status = 1;
  }
  fmt::print("{} seeds of the corpus\n", count);
  return count == 0 ? 2 : status;
}

int run(const Arguments& arguments) {
  switch (arguments.command) {
    case Command::kOne: return run_one(arguments);
    case Command::kMany: return run_many(arguments);
    case Command::kShrink: return shrink_one(arguments);
    case Command::kReplayTwice: return replay_twice(arguments);
    case Command::kCorpus: return run_corpus(arguments);
  }
  return 2;
}

}  // namespace
}  // namespace mirrorfs::simulation

// A simulated crash leaves the engine's memory behind.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

int main(int argc, char** argv) {
  using namespace mirrorfs;
  const simulation::Arguments arguments = simulation::parse_arguments(argc, argv);
  ::umask(0);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  // The engine has a lot to complain about here.
  // Lines that a run has said already are left out in the next: they must not be calls of the run.
  if (!configure_log({LogLevel::kError, LogTarget::kNowhere, {}})) return 2;
  return simulation::run(arguments);
}
