// G4: whichever call on the replica fails, with whichever error: the source goes on, the state
// names the cause within five seconds, the return is noticed without help, nothing is copied but
// what is marked, and the trees are equal in the end. MIRRORFS_MATRIX=whole: each call with each
// error; else each call with one, and each error with some.
//
// The mutants: a retry that is never made, an error that is taken for success, a reconcile of
// everything in the place of what is marked.
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "failing_replica_fixture.h"

namespace mirrorfs::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr std::array kErrors = {ENOSPC, EDQUOT, EROFS, EIO, ENOTCONN, ESTALE, ETIMEDOUT};

/// Calls that changes on the source need on the replica. A filesystem that takes no syncfs(2) is
/// never asked to sync by an engine that nobody waits for.
constexpr std::array kCalls = {
    Call::kLook,       Call::kOpen,          Call::kCreate,          Call::kWrite,
    Call::kTruncate,   Call::kMakeDirectory, Call::kRemoveDirectory, Call::kUnlink,
    Call::kRename,     Call::kLink,          Call::kSymlink,         Call::kMakeNode,
    Call::kChangeMode, Call::kSetTimes,      Call::kSetXattr,        Call::kRemoveXattr};

constexpr std::uint64_t kLarge = 4 << 20;  // of a file that nobody touches

class FailingMatrix : public FailingReplicaTest {
 protected:
  [[nodiscard]] FailingFilesystem::Serving serving() const override {
    return FailingFilesystem::Serving::kByMany;
  }

  void start_in_sync() {
    put_source("large", std::string(kLarge, 'l'));
    for (const char* name : {"file", "long", "gone", "moved", "other", "d/file", "e/file"}) {
      put_source(name, std::string(3'000, 'a'));
    }
    std::filesystem::create_directory(source_ / "empty");
    start();
    ASSERT_TRUE(driver_->set_xattr("file", "user.old", "value"));
    expect_equal();
  }

  /// Something of everything.
  void change_everything() {
    EXPECT_TRUE(driver_->write("file", 100, std::string(5'000, 'b')));
    EXPECT_TRUE(driver_->create("new"));
    EXPECT_TRUE(driver_->write("new", 0, "new"));
    EXPECT_TRUE(driver_->truncate("long", 1'000));
    EXPECT_TRUE(driver_->mkdir("made"));
    EXPECT_TRUE(driver_->create("made/inside"));
    EXPECT_TRUE(driver_->rmdir("empty"));
    EXPECT_TRUE(driver_->unlink("gone"));
    EXPECT_TRUE(driver_->rename("moved", "d/moved"));
    EXPECT_TRUE(driver_->link("other", "e/link"));
    EXPECT_TRUE(driver_->symlink("target", "symlink"));
    EXPECT_TRUE(driver_->make_fifo("fifo"));
    EXPECT_TRUE(driver_->chmod("d/file", 0600));
    EXPECT_TRUE(driver_->set_mtime("e/file", {.tv_sec = 77, .tv_nsec = 0}));
    EXPECT_TRUE(driver_->set_xattr("other", "user.new", "value"));
    EXPECT_TRUE(driver_->remove_xattr("file", "user.old"));
  }

  [[nodiscard]] bool reaches(const std::function<bool(const EngineStatus&)>& holds,
                             std::chrono::milliseconds patience) const {
    const auto end = Clock::now() + patience;
    while (!holds(mirror_->status())) {
      if (Clock::now() > end) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }

  static bool is_good(const EngineStatus& now) {
    return now.state == MirrorState::kInSync && now.marks == 0 && now.queued_ops == 0 &&
           now.applied >= now.completed;
  }

  /// Nobody waits for it, which would have it tried at once.
  void expect_good_again(std::uint64_t copied_before) {
    EXPECT_TRUE(reaches(is_good, 15s))
        << to_string(mirror_->status().state) << ", " << mirror_->status().last_error;
    EXPECT_LT(mirror_->status().bytes_replicated_total - copied_before, kLarge)
        << "what nobody touched is copied";
    expect_equal();
  }
};

/// A pair of the matrix.
class FailingCall : public FailingMatrix,
                    public ::testing::WithParamInterface<std::tuple<Call, int>> {};

TEST_P(FailingCall, G4IsNamedAndMadeGood) {
  const auto [call, error] = GetParam();
  start_in_sync();
  const std::uint64_t copied = mirror_->status().bytes_replicated_total;
  filesystem_->faults().inject(call, {.error = error});
  const auto began = Clock::now();
  change_everything();
  EXPECT_LT(Clock::now() - began, 2s) << "the application waits for the replica";
  const std::string cause = std::strerror(error);
  // Some have another way round, such as a copy beside it.
  EXPECT_TRUE(reaches(
      [&](const EngineStatus& now) {
        const bool named = now.last_error.find(cause) != std::string::npos;
        return is_good(now) || (now.state == MirrorState::kDegraded && named);
      },
      5s))
      << to_string(mirror_->status().state) << ", «" << mirror_->status().last_error << "»";
  EXPECT_GT(filesystem_->faults().struck(), 0U);
  filesystem_->faults().heal();
  if (is_good(mirror_->status())) expect_trees_equal();  // as it was with the fault
  expect_good_again(copied);
  EXPECT_TRUE(stop());
}

std::vector<std::tuple<Call, int>> pairs() {
  const char* const asked = std::getenv("MIRRORFS_MATRIX");
  const bool whole = asked != nullptr && std::string_view(asked) == "whole";
  std::vector<std::tuple<Call, int>> chosen;
  for (std::size_t call = 0; call < kCalls.size(); ++call) {
    for (std::size_t error = 0; error < kErrors.size(); ++error) {
      if (whole || error == call % kErrors.size())
        chosen.emplace_back(kCalls[call], kErrors[error]);
    }
  }
  // Of these nothing was told once.
  if (!whole) chosen.emplace_back(Call::kRemoveDirectory, ESTALE);
  if (!whole) chosen.emplace_back(Call::kLink, ESTALE);
  return chosen;
}

INSTANTIATE_TEST_SUITE_P(Matrix, FailingCall, ::testing::ValuesIn(pairs()), [](const auto& test) {
  return fmt::format("{}_{}", to_string(std::get<0>(test.param)),
                     ::strerrorname_np(std::get<1>(test.param)));
});

/// Nothing goes, as of a disk that was pulled or a server that went away.
class GoneReplica : public FailingMatrix, public ::testing::WithParamInterface<int> {};

TEST_P(GoneReplica, G4IsNamedAndMadeGood) {
  start_in_sync();
  const std::uint64_t copied = mirror_->status().bytes_replicated_total;
  filesystem_->faults().inject_everywhere({.error = GetParam()});
  change_everything();
  const std::string cause = std::strerror(GetParam());
  EXPECT_TRUE(reaches(
      [&](const EngineStatus& now) {
        return now.state == MirrorState::kDegraded &&
               now.last_error.find(cause) != std::string::npos;
      },
      5s))
      << to_string(mirror_->status().state) << ", «" << mirror_->status().last_error << "»";
  filesystem_->faults().heal();
  expect_good_again(copied);
  EXPECT_TRUE(stop());
}

INSTANTIATE_TEST_SUITE_P(Matrix, GoneReplica, ::testing::Values(EIO, ENOTCONN, ESTALE, ETIMEDOUT),
                         [](const auto& test) { return ::strerrorname_np(test.param); });

TEST_F(FailingMatrix, G2ShortWritesAreGoneOnWith) {
  start_in_sync();
  filesystem_->faults().inject(Call::kWrite, {.shortens = true});
  change_everything();
  EXPECT_TRUE(driver_->write("file", 0, std::string(1 << 20, 'c')));
  expect_equal();
  EXPECT_GT(filesystem_->faults().struck(), 0U);
  EXPECT_EQ(mirror_->status().errors_total, 0U);
  EXPECT_TRUE(stop());
}

TEST_F(FailingMatrix, G4ASlowReplicaCostsTheApplicationNothing) {
  start_in_sync();
  filesystem_->faults().inject_everywhere({.delay = 20ms});
  const auto began = Clock::now();
  change_everything();
  EXPECT_LT(Clock::now() - began, 1s);
  filesystem_->faults().heal();
  expect_equal();
  EXPECT_TRUE(stop());
}

/// A call that hangs holds up neither the source nor the status, nor a stop that has its time.
class HangingCall : public FailingMatrix, public ::testing::WithParamInterface<Call> {};

TEST_P(HangingCall, G4HoldsUpNobodyButItself) {
  start_in_sync();
  filesystem_->faults().inject(GetParam(), {.hangs = true});
  const auto began = Clock::now();
  change_everything();
  EXPECT_LT(Clock::now() - began, 2s) << "the application waits for the replica";
  EXPECT_TRUE(reaches([&](const EngineStatus&) { return filesystem_->faults().struck() > 0; }, 5s));
  const auto asked = Clock::now();
  EXPECT_GT(mirror_->status().completed, mirror_->status().applied);
  EXPECT_LT(Clock::now() - asked, 3s) << "the status waits for the replica";
  const auto stopped = Clock::now();
  EXPECT_FALSE(stop(300ms)) << "claims a clean stop";
  EXPECT_LT(Clock::now() - stopped, 5s) << "the stop waits for the replica";
  filesystem_->faults().heal();
  start();
  expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Matrix, HangingCall,
                         ::testing::Values(Call::kLook, Call::kWrite, Call::kRename),
                         [](const auto& test) { return std::string(to_string(test.param)); });

/// Any of some calls, by number, fails with any of the errors, again and again.
TEST_F(FailingMatrix, G2ErrorsOfSingleCallsAreMadeGood) {
  const char* const given = std::getenv("MIRRORFS_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
  const char* const asked = std::getenv("MIRRORFS_FAULT_ROUNDS");
  const std::uint64_t rounds = asked != nullptr ? std::stoull(asked) : 4;
  SCOPED_TRACE(fmt::format("MIRRORFS_SEED={}", seed));
  std::mt19937_64 random(seed);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    start_in_sync();
    for (unsigned faults = 1 + random() % 4; faults > 0; --faults) {
      filesystem_->faults().inject(kCalls.at(random() % kCalls.size()),
                                   {.error = kErrors.at(random() % kErrors.size()),
                                    .first = random() % 8,
                                    .count = 1 + random() % 4});
    }
    change_everything();
    EXPECT_TRUE(mirror_->wait(30s)) << mirror_->status().last_error;
    filesystem_->faults().heal();  // or the comparison would meet them
    expect_equal();
    ASSERT_TRUE(stop());
    ASSERT_FALSE(HasFailure());
    for (const auto& entry : std::filesystem::directory_iterator(source_)) {
      std::filesystem::remove_all(entry.path());
    }
  }
}

}  // namespace
}  // namespace mirrorfs::testing
