// Random operations of every kind from many processes, then mount, source and replica compared. The
// seed is part of every failure; MIRRORFS_SEED=N repeats each worker's sequence of operations,
// MIRRORFS_TORTURE_SECONDS=N makes it longer.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ostream>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "mirror_mount.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given != nullptr ? std::stoull(given) : otherwise;
}

struct Torment {
  const char* name;
  Filesystem filesystem;
  std::vector<std::string> options;
  unsigned workers;
  std::uint64_t seconds;
};

void PrintTo(const Torment& torment, std::ostream* stream) { *stream << torment.name; }

class Torture : public testing::TestWithParam<Torment> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  std::uint64_t seed_ = number_from_environment("MIRRORFS_SEED", std::random_device{}());
  std::uint64_t seconds_ = number_from_environment("MIRRORFS_TORTURE_SECONDS", GetParam().seconds);
  testing::ScopedTrace trace_{__FILE__, __LINE__, "MIRRORFS_SEED=" + std::to_string(seed_)};

  MirrorSetup setup() const {
    return {.source = GetParam().filesystem,
            .replica = GetParam().filesystem,
            .options = GetParam().options,
            .patience = std::chrono::seconds(90 + 2 * seconds_)};
  }
};

/// Half of the workers share a tree, the others have one each.
Path place_of(const MirrorMount& mirror, unsigned number) {
  return mirror.mount(number % 2 == 0 ? "shared" : "own" + std::to_string(number));
}

TEST_P(Torture, ThreeTreesAreOneInTheEnd) {
  MirrorMount mirror(setup());
  make_many_files(mirror.source("shared"), 200);
  mirror.start();
  // In rounds, so that a difference is found near to where it arose.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds_);
  for (std::uint64_t round = 0; std::chrono::steady_clock::now() < end; ++round) {
    Workers workers(GetParam().workers, [&](unsigned number) {
      RandomWriter writer(place_of(mirror, number), seed_ + round * 1000 + number);
      write_for(writer, std::min(milliseconds(3000), milliseconds(1000 * seconds_ / 2)));
    });
    workers.join();
    ASSERT_TRUE(mirror.identical()) << "round " << round;
    ASSERT_TRUE(mirror.mount_shows_source()) << "round " << round;
  }
  mirror.stop();
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_P(Torture, KilledAgainAndAgain) {
  MirrorMount mirror(setup());
  std::mt19937_64 random(seed_);
  for (std::uint64_t round = 0; round * 2 < seconds_; ++round) {
    mirror.start();
    Workers workers(GetParam().workers, [&](unsigned number) {
      RandomWriter writer(place_of(mirror, number), seed_ + round * 1000 + number);
      try {
        for (;;) writer.step();
      } catch (const std::system_error&) {
        // The mount is gone.
      }
    });
    std::this_thread::sleep_for(milliseconds(50 + random() % 800));
    if (round % 3 == 2) mirror.pause();
    mirror.crash();
    workers.kill();
    if (round % 2 == 1) continue;
    mirror.start({"--check=none"});
    ASSERT_TRUE(mirror.identical()) << "round " << round;
    mirror.stop();
  }
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.mount_shows_source());
  mirror.stop();
}

/// One writer, so that a seed and a number of steps are the whole story: MIRRORFS_SEED=N
/// MIRRORFS_STEPS=N repeats it, and fewer steps make it short.
class TortureByOne : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  static void run(bool paused) {
    const std::uint64_t steps = number_from_environment("MIRRORFS_STEPS", 600);
    const bool chosen = std::getenv("MIRRORFS_SEED") != nullptr;
    std::uint64_t seed =
        number_from_environment("MIRRORFS_SEED", std::random_device{}() % 1'000'000);
    for (int round = 0; round < (chosen ? 1 : 15); ++round, ++seed) {
      SCOPED_TRACE(fmt::format("MIRRORFS_SEED={} MIRRORFS_STEPS={}", seed, steps));
      MirrorMount mirror;
      make_directory(mirror.source("tree"));
      mirror.start();
      mirror.wait();
      if (paused) mirror.pause();
      RandomWriter writer(mirror.mount("tree"), seed);
      for (std::uint64_t step = 0; step < steps; ++step) writer.step();
      if (paused) mirror.resume();
      ASSERT_TRUE(mirror.identical());
      mirror.stop();
    }
  }
};

TEST_F(TortureByOne, EachSeedConverges) { run(false); }

/// All is queued, then applied with as much in flight as the dependencies allow.
TEST_F(TortureByOne, EachSeedConvergesFromAFullQueue) { run(true); }

INSTANTIATE_TEST_SUITE_P(
    G1_G2, Torture,
    testing::Values(Torment{"tmpfs", Filesystem::kTmpfs, {}, 16, 8},
                    Torment{"ext4", Filesystem::kExt4, {}, 16, 8},
                    Torment{"small_queue", Filesystem::kTmpfs, {"--queue-size=256K"}, 6, 8},
                    Torment{"fsync_mode", Filesystem::kTmpfs, {"--mode=fsync"}, 4, 4},
                    Torment{"sync_mode", Filesystem::kTmpfs, {"--mode=sync"}, 4, 4}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace mirrorfs::test
