// G1, G2, G4, G9: replicas on another machine, whose server or cable fails under load.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

#include "mirror_mount.h"
#include "remote_replica.h"
#include "stored_tree.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::stoul(value));
}

class RemoteTest : public testing::TestWithParam<Remote> {
 protected:
  void SetUp() override {
    if (const auto why = missing_for(GetParam()); !why.empty()) GTEST_SKIP() << why;
    mirror.emplace(MirrorSetup{.replica = Filesystem::kFolder, .patience = patience()});
    remote = RemoteReplica::start(GetParam(), mirror->replica());
    pair_as_the_refusal_says();
  }
  void TearDown() override {
    if (mirror && mirror->daemon_runs()) mirror->stop();
    remote.reset();
  }

  static unsigned rounds() { return from_environment("MIRRORFS_REMOTE_ROUNDS", 1); }
  static seconds outage() { return seconds(from_environment("MIRRORFS_REMOTE_SECONDS", 4)); }
  static seconds patience() { return seconds(180) * rounds(); }

  void pair_as_the_refusal_says() {
    const Finished refused = run(mirror->command());
    ASSERT_EQ(refused.exit_code, 2) << refused.err;
    losses = losses_in_refusal(refused.err);
    ASSERT_FALSE(losses.empty()) << refused.err;
    mirror->start({"--tolerate=" + to_tolerate(losses)});
    make_directory(mirror->mount("work"));
  }

  [[nodiscard]] std::string differences_on_server() const {
    std::string all;
    for (const Path& stored : remote->stored()) {
      const std::string text = compare_with_stored(mirror->source(), stored, losses);
      if (!text.empty()) all += stored.string() + ":\n" + text;
    }
    return all;
  }
  void expect_equal_on_server() const {
    const Finished waited = mirror->ctl({"wait", mirror->mount(), "--timeout=120"});
    ASSERT_EQ(waited.exit_code, 0) << waited.err << mirror->status().json;
    EXPECT_EQ(mirror->status().state, "in-sync");
    EXPECT_TRUE(eventually([this] { return remote->is_settled(); }, seconds(60)));
    EXPECT_EQ(differences_on_server(), "");
  }

  /// Writers go on, through an outage and for a moment after it. None of them may fail, and none
  /// may notice.
  void write_through(const std::function<void()>& begin_outage,
                     const std::function<void()>& end_outage, bool expect_degraded = true) {
    const auto begin = Clock::now();
    Workers writers(2, [&](unsigned number) {
      RandomWriter writer(mirror->mount("work"), 20261127 + number + 100 * round_);
      write_for(writer, outage() + seconds(3));
    });
    std::this_thread::sleep_for(seconds(1));
    begin_outage();
    if (expect_degraded) {
      EXPECT_TRUE(eventually(
          [this] {
            const Status status = mirror->status();
            return status.state == "degraded" && !status.last_error.empty();
          },
          seconds(5)))
          << mirror->status().json;
    }
    std::this_thread::sleep_until(begin + seconds(1) + outage());
    end_outage();
    writers.join(outage() + seconds(20));
    ++round_;
  }
  void survive(const std::function<void()>& begin_outage, const std::function<void()>& end_outage) {
    for (unsigned round = 0; round < rounds() && !HasFailure(); ++round) {
      write_through(begin_outage, end_outage);
      expect_equal_on_server();
    }
  }

  std::optional<MirrorMount> mirror;
  std::unique_ptr<RemoteReplica> remote;
  Losses losses;

 private:
  unsigned round_ = 0;
};

TEST_P(RemoteTest, G2WhatIsWrittenIsOnTheServer) {
  Workers writers(2, [&](unsigned number) {
    RandomWriter writer(mirror->mount("work"), 20261127 + number);
    write_for(writer, milliseconds(1'500));
  });
  writers.join();
  expect_equal_on_server();
}

class OutageTest : public RemoteTest {};

TEST_P(OutageTest, G1G4TheServerIsKilledAndStartedAgain) {
  survive([this] { remote->kill_server(); }, [this] { remote->start_server(); });
}

TEST_P(OutageTest, G1G4TheCableIsCutAndMended) {
  survive([this] { remote->cut_cable(); }, [this] { remote->mend_cable(); });
}

class GlusterTest : public RemoteTest {
 protected:
  GlusterReplica& volume() { return dynamic_cast<GlusterReplica&>(*remote); }
};

/// The other brick goes on serving, so that nothing need be degraded.
TEST_P(GlusterTest, G1G4OneBrickIsKilledAndHealed) {
  for (unsigned round = 0; round < rounds() && !HasFailure(); ++round) {
    write_through([&] { volume().kill_brick(round % 2); }, [&] { volume().start_bricks(); }, false);
    const Finished waited = mirror->ctl({"wait", mirror->mount(), "--timeout=120"});
    ASSERT_EQ(waited.exit_code, 0) << waited.err << mirror->status().json;
    EXPECT_EQ(compare_with_stored(mirror->source(), mirror->replica(), losses), "");
    EXPECT_TRUE(eventually([this] { return remote->is_settled(); }, seconds(60)));
    EXPECT_EQ(differences_on_server(), "");
  }
}

const auto kName = [](const auto& info) { return to_string(info.param); };
INSTANTIATE_TEST_SUITE_P(On, RemoteTest, testing::Values(Remote::kSshfs, Remote::kGluster), kName);
INSTANTIATE_TEST_SUITE_P(On, OutageTest, testing::Values(Remote::kSshfs, Remote::kGluster), kName);
INSTANTIATE_TEST_SUITE_P(On, GlusterTest, testing::Values(Remote::kGluster), kName);

}  // namespace
}  // namespace mirrorfs::test
