// G1, G2: kill -9 of the daemon at random moments of everything that it may be doing, again and
// again; what the next session makes of it is compared three ways.
// MIRRORFS_KILL_ROUNDS=N: so many rounds; MIRRORFS_SEED=N draws what is done (when it is done is up
// to the machine, so a seed alone does not replay a failure). The moments that were met are
// printed.
//
// The mutants: journal-mark-cleared-early, mark-not-written-ahead (tests/simulation/mutants).
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "mirror_mount.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

/// What the daemon is killed in.
enum class Moment { kWriting, kPaused, kStart, kRecovery, kBaseline, kDrain, kCatchingUp };
constexpr std::array<const char*, 7> kMoments = {"writing",  "paused", "start",      "recovery",
                                                 "baseline", "drain",  "catching-up"};

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* const given = std::getenv(name);
  return given != nullptr ? std::stoull(given) : otherwise;
}

class KillLoop : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    mirror_ = std::make_unique<MirrorMount>(MirrorSetup{.source = Filesystem::kExt4,
                                                        .replica = Filesystem::kExt4,
                                                        .options = {"--drain-timeout=60"},
                                                        .patience = std::chrono::seconds(150)});
    make_many_files(mirror_->source("still"), 1500);
    make_many_files(mirror_->source("shared"), 150);
  }

  /// Until the mount is gone.
  [[nodiscard]] Workers start_writers(std::uint64_t seed) const {
    constexpr unsigned kWriters = 4;
    return {kWriters, [this, seed](unsigned number) {
              RandomWriter writer(mirror_->mount("shared"), seed * 10 + number);
              try {
                for (;;) writer.step();
              } catch (const std::system_error&) {
                // As meant.
              }
            }};
  }

  void sleep_up_to(unsigned most) {
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % (1000 * most)));
  }

  /// Writers at work while the daemon is killed, which began with these options.
  void kill_while_writing(Moment moment, const std::vector<std::string>& options, unsigned most) {
    mirror_->start(options);
    Workers writers = start_writers(random_());
    sleep_up_to(most);
    if (moment == Moment::kPaused) {
      mirror_->pause();
      sleep_up_to(most);
    }
    kill_in(moment);
    writers.kill();
  }

  /// A session that owes many files, so that the next has something to do. Files of several names
  /// are left out: of those everything would be compared.
  void kill_owing_much() {
    mirror_->start();
    mirror_->wait();
    mirror_->pause();
    const std::string text(20'000, static_cast<char>('a' + random_() % 26));
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(mirror_->mount("still"))) {
      const bool wanted = entry.is_regular_file() && !entry.is_symlink();
      if (wanted && entry.hard_link_count() == 1) write_at(entry.path(), 0, text);
    }
    mirror_->crash();
  }

  void kill_in_start() {
    constexpr unsigned kLongest = 80;  // ms
    kill_owing_much();
    for (unsigned kills = 1 + static_cast<unsigned>(random_() % 4); kills > 0; --kills) {
      mirror_->start_and_crash(milliseconds(random_() % kLongest));
    }
    ++met_.at(static_cast<std::size_t>(Moment::kStart));
  }

  void kill_in_recovery() {
    constexpr unsigned kLongest = 30;  // ms
    kill_owing_much();
    mirror_->start();
    sleep_up_to(kLongest);
    kill_in(Moment::kRecovery);
  }

  /// The queue was full, and what it could not hold is reconciled.
  void kill_in_catching_up() {
    constexpr unsigned kLongest = 20;  // ms
    mirror_->start({"--queue-size=64K"});
    mirror_->wait();
    mirror_->pause();
    Workers writers = start_writers(random_());
    sleep_up_to(800);
    mirror_->resume();
    sleep_up_to(kLongest);
    kill_in(Moment::kCatchingUp);
    writers.kill();
  }

  /// A clean stop that is not given its time.
  void kill_in_drain() {
    constexpr unsigned kLongest = 60;  // ms
    mirror_->start();
    Workers writers = start_writers(random_());
    mirror_->pause();
    sleep_up_to(1'000);
    writers.kill();
    mirror_->resume();
    mirror_->request_stop(StopBy::kSigterm);
    sleep_up_to(kLongest);
    met_.at(static_cast<std::size_t>(Moment::kDrain)) += mirror_->daemon_runs() ? 1 : 0;
    mirror_->crash();
  }

  void kill_in(Moment moment) {
    met_.at(static_cast<std::size_t>(moment)) += is_in(moment) ? 1 : 0;
    mirror_->crash();
  }

  [[nodiscard]] bool is_in(Moment moment) const {
    const auto status = nlohmann::json::parse(mirror_->status().json);
    if (moment == Moment::kRecovery) return status.at("recovery").at("running");
    if (moment == Moment::kWriting || moment == Moment::kStart) return true;
    return status.at("state") == kMoments.at(static_cast<std::size_t>(moment));
  }

  void kill_at(Moment moment) {
    switch (moment) {
      case Moment::kWriting: return kill_while_writing(moment, {}, 800);
      case Moment::kPaused: return kill_while_writing(moment, {}, 400);
      case Moment::kStart: return kill_in_start();
      case Moment::kRecovery: return kill_in_recovery();
      case Moment::kBaseline: return kill_while_writing(moment, {"--check=full"}, 80);
      case Moment::kDrain: return kill_in_drain();
      case Moment::kCatchingUp: return kill_in_catching_up();
    }
  }

  void expect_all_three_equal() {
    mirror_->start();
    ASSERT_TRUE(mirror_->identical());
    ASSERT_TRUE(mirror_->mount_shows_source());
    mirror_->stop();
    ASSERT_TRUE(mirror_->trees_equal());
  }

  std::uint64_t seed_ = number_from_environment("MIRRORFS_SEED", std::random_device{}());
  std::mt19937_64 random_{seed_};
  std::array<unsigned, kMoments.size()> tried_{}, met_{};
  std::unique_ptr<MirrorMount> mirror_;
};

TEST_F(KillLoop, G1_G2_WhateverTheDaemonWasDoing) {
  SCOPED_TRACE(fmt::format("MIRRORFS_SEED={}", seed_));
  const std::uint64_t rounds = number_from_environment("MIRRORFS_KILL_ROUNDS", kMoments.size());
  unsigned compared = 0;
  // The very first kill is of the first baseline.
  std::size_t next = static_cast<std::size_t>(Moment::kBaseline);
  for (std::uint64_t round = 0; round < rounds; ++round, next = (next + 1) % kMoments.size()) {
    SCOPED_TRACE(fmt::format("round {}, killed in {}", round, kMoments.at(next)));
    ++tried_.at(next);
    ASSERT_NO_FATAL_FAILURE(kill_at(static_cast<Moment>(next)));
    if (random_() % 4 == 0) continue;  // killed once more before anything is compared
    ASSERT_NO_FATAL_FAILURE(expect_all_three_equal());
    ++compared;
  }
  ASSERT_NO_FATAL_FAILURE(expect_all_three_equal());
  fmt::print("{} rounds, {} compared, seed {}; killed in", rounds, compared + 1, seed_);
  for (std::size_t at = 0; at < kMoments.size(); ++at) {
    fmt::print(" {}: {} of {}", kMoments.at(at), met_.at(at), tried_.at(at));
  }
  fmt::print("\n");
}

}  // namespace
}  // namespace mirrorfs::test
