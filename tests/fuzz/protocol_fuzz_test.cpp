// Random requests of a fake kernel: every answer is one that can be right, no node ever turns into
// another object, and nothing is left when all was released and forgotten.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/fuzz/fake_mount.h"
#include "tests/fuzz/fuzz_time.h"
#include "tests/fuzz/random_kernel.h"

namespace mirrorfs::testing {
namespace {

using Clock = std::chrono::steady_clock;

class ProtocolFuzz : public ::testing::Test {
 protected:
  static void expect_all_forgotten(FakeMount& mount) {
    for (int attempt = 0; attempt < 1000 && mount.session().known_nodes() > 1; ++attempt) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(mount.session().known_nodes(), 1U) << "nodes that nobody refers to";
  }
};

/// One sequence at a time: a seed is the whole story.
TEST_F(ProtocolFuzz, EverySequenceIsAnsweredWithSense) {
  constexpr int kSteps = 3000;
  const auto end = Clock::now() + fuzz::duration();
  std::uint64_t seed = fuzz::seed();
  do {
    SCOPED_TRACE(fmt::format("MIRRORFS_SEED={}", seed));
    FakeMount mount;
    RandomKernel kernel(mount.kernel(), mount.source(), seed);
    for (int step = 0; step < kSteps; ++step) {
      if (step % 100 == 0) (void)mount.replicator().take();
      if (const auto wrong = kernel.step()) FAIL() << "step " << step << ": " << *wrong;
    }
    kernel.finish();
    expect_all_forgotten(mount);
    ++seed;
  } while (Clock::now() < end && !fuzz::seed_was_chosen());
}

/// Several at once, on the same objects.
TEST_F(ProtocolFuzz, SequencesInParallelAreAnsweredWithSense) {
  constexpr unsigned kThreads = 4;
  constexpr int kSteps = 2000;
  const auto end = Clock::now() + fuzz::duration();
  std::uint64_t seed = fuzz::seed();
  do {
    SCOPED_TRACE(fmt::format("MIRRORFS_SEED={}", seed));
    FakeMount mount;
    std::vector<std::string> wrong(kThreads);
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < kThreads; ++number) {
      threads.emplace_back([&, number] {
        RandomKernel kernel(mount.kernel(), mount.source(), seed * kThreads + number);
        for (int step = 0; step < kSteps && wrong[number].empty(); ++step) {
          if (step % 100 == 0) (void)mount.replicator().take();
          if (const auto found = kernel.step()) {
            wrong[number] = fmt::format("thread {}, step {}: {}", number, step, *found);
          }
        }
        kernel.finish();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& each : wrong) EXPECT_EQ(each, "");
    expect_all_forgotten(mount);
    ++seed;
  } while (Clock::now() < end && !HasFailure() && !fuzz::seed_was_chosen());
}

}  // namespace
}  // namespace mirrorfs::testing
