// What the daemon tells of changes of state, and the command that is run at each.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <thread>

#include "fs/control/state_cause.h"
#include "fs/daemon/event_command.h"
#include "fs/daemon/state_report.h"
#include "fs/daemon/state_watch.h"
#include "temporary_directory.h"

namespace mirrorfs {
namespace {

using namespace std::chrono_literals;
using testing::TemporaryDirectory;
using Clock = std::chrono::steady_clock;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class Events : public ::testing::Test {
 protected:
  /// The command appends what it is given to a file.
  [[nodiscard]] std::string appending(const std::string& what) const {
    return what + " >> " + record_.string();
  }
  [[nodiscard]] std::string recorded() const { return content_of(record_); }

  TemporaryDirectory directory_;
  const std::filesystem::path record_ = directory_.path() / "record";
};

TEST_F(Events, RunTheCommandInOrderWithTheFacts) {
  EventCommand command(appending("echo $MIRRORFS_STATE from $MIRRORFS_PREVIOUS_STATE"));
  command.report({{"MIRRORFS_STATE", "degraded"}, {"MIRRORFS_PREVIOUS_STATE", "in-sync"}});
  command.report({{"MIRRORFS_STATE", "in-sync"}, {"MIRRORFS_PREVIOUS_STATE", "degraded"}});
  command.finish();
  EXPECT_EQ(recorded(), "degraded from in-sync\nin-sync from degraded\n");
}

TEST_F(Events, NeverRunTwoAtOnce) {
  EventCommand both("exec >> " + record_.string() + "; echo begin; sleep 0.2; echo end");
  both.report({});
  both.report({});
  both.finish();
  EXPECT_EQ(recorded(), "begin\nend\nbegin\nend\n");
}

TEST_F(Events, GiveTheCommandNoDescriptorAndNoSignalOfTheDaemons) {
  // NOLINTNEXTLINE(android-cloexec-open): it is there to be inherited by mistake
  const int leaking = ::open("/dev/null", O_RDONLY);
  ASSERT_GT(leaking, 2);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  EventCommand command("exec >> " + record_.string() +
                       "; ls /proc/$$/fd; grep SigBlk /proc/self/status; pwd; "
                       "kill -PIPE $$; echo SIGPIPE is ignored");
  command.report({});
  command.finish();
  pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  ::close(leaking);
  EXPECT_EQ(recorded(), "0\n1\n2\nSigBlk:\t0000000000000000\n/\n");
}

TEST_F(Events, AHungCommandStopsNeitherLaterOnesNorTheEnd) {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {  // what other tests have left
  }
  const EventCommand::Limits limits{.each = 300ms, .at_end = 300ms};
  EventCommand command(
      "echo $MIRRORFS_STATE >> " + record_.string() + "; [ $MIRRORFS_STATE = good ] || sleep 1000",
      limits);
  const auto start = Clock::now();
  command.report({{"MIRRORFS_STATE", "hangs"}});
  command.report({{"MIRRORFS_STATE", "good"}});
  EXPECT_LT(Clock::now() - start, 100ms) << "whoever reports waits";
  command.report({{"MIRRORFS_STATE", "hangs"}});
  command.finish();
  EXPECT_LT(Clock::now() - start, 5s);
  EXPECT_EQ(recorded(), "hangs\ngood\nhangs\n");
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

TEST_F(Events, AreLeftOutOldestFirstAndCounted) {
  const EventCommand::Limits limits{.each = 30s, .at_end = 30s, .most_waiting = 2};
  EventCommand command("exec >> " + record_.string() +
                           "; echo $MIRRORFS_STATE $MIRRORFS_EVENTS_LEFT_OUT; "
                           "while ! [ -e " +
                           record_.string() + ".go ]; do sleep 0.05; done",
                       limits);
  command.report({{"MIRRORFS_STATE", "first"}});
  while (recorded().empty()) std::this_thread::sleep_for(10ms);
  for (const char* state : {"a", "b", "c", "d"}) command.report({{"MIRRORFS_STATE", state}});
  std::ofstream(record_.string() + ".go").put('\n');
  command.finish();
  EXPECT_EQ(recorded(), "first 0\nc 2\nd 0\n");
}

TEST_F(Events, HaveTheNamesAndNumbersThatAreDocumented) {
  DaemonOptions options;
  options.mirror.source = "/s";
  options.mirror.replica = "/r";
  options.mount_point = "/m";
  StateChange change{.state = "degraded",
                     .previous = "in-sync",
                     .cause = "'a\nb': No space left on device",
                     .previous_seconds = 12,
                     .status = {}};
  change.status.marks = 7;
  change.status.lag_seconds = 3.5;
  const EventFacts facts = event_facts(options, change);
  const auto value = [&facts](const std::string& name) {
    const auto found = std::ranges::find(facts, name, &std::pair<std::string, std::string>::first);
    return found == facts.end() ? "(missing)" : found->second;
  };
  EXPECT_EQ(value("MIRRORFS_STATE"), "degraded");
  EXPECT_EQ(value("MIRRORFS_PREVIOUS_STATE"), "in-sync");
  EXPECT_EQ(value("MIRRORFS_CAUSE"), "'a\\x0ab': No space left on device");
  EXPECT_EQ(value("MIRRORFS_SOURCE"), "/s");
  EXPECT_EQ(value("MIRRORFS_REPLICA"), "/r");
  EXPECT_EQ(value("MIRRORFS_MOUNT"), "/m");
  EXPECT_EQ(value("MIRRORFS_MARKS"), "7");
  EXPECT_EQ(value("MIRRORFS_LAG"), "3.500");
}

/// A watch over a status that the test sets.
class Watching : public ::testing::Test {
 protected:
  void set(MirrorState state, std::uint64_t queued = 0) {
    {
      const std::lock_guard lock(mutex_);
      status_.state = state;
      status_.queued_ops = queued;
    }
    watch_.wake();
  }
  [[nodiscard]] std::vector<std::string> changes() {
    const std::lock_guard lock(mutex_);
    return changes_;
  }
  [[nodiscard]] bool comes_to(const std::vector<std::string>& wanted) {
    const auto give_up = Clock::now() + 10s;
    while (changes() != wanted && Clock::now() < give_up) std::this_thread::sleep_for(10ms);
    return changes() == wanted;
  }

  std::mutex mutex_;  // guards what follows
  EngineStatus status_;
  std::vector<std::string> changes_;
  std::atomic<unsigned> looks_ = 0;
  StateWatch watch_{[this] {
                      ++looks_;
                      const std::lock_guard lock(mutex_);
                      return status_;
                    },
                    [this](const StateChange& change) {
                      const std::lock_guard lock(mutex_);
                      changes_.push_back(change.previous + ">" + change.state);
                    }};
};

TEST_F(Watching, TellsEachChangeOnce) {
  watch_.start();
  ASSERT_TRUE(comes_to({">baseline"}));
  set(MirrorState::kInSync);
  ASSERT_TRUE(comes_to({">baseline", "baseline>in-sync"}));
  watch_.wake();
  set(MirrorState::kDegraded);
  ASSERT_TRUE(comes_to({">baseline", "baseline>in-sync", "in-sync>degraded"}));
}

TEST_F(Watching, DoesNotLookWhileNothingHappens) {
  set(MirrorState::kInSync);
  watch_.start();
  ASSERT_TRUE(comes_to({">in-sync"}));
  const unsigned before = looks_;
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(looks_, before);
}

TEST_F(Watching, GoesOnLookingWhileSomethingIsUnderWay) {
  set(MirrorState::kInSync, 3);
  watch_.start();
  ASSERT_TRUE(comes_to({">in-sync"}));
  {
    const std::lock_guard lock(mutex_);
    status_.state = MirrorState::kLagging;  // by time alone: nothing wakes the watch
  }
  EXPECT_TRUE(comes_to({">in-sync", "in-sync>lagging"}));
}

TEST_F(Watching, TellsWhatSomebodyWasTold) {
  {
    const std::lock_guard lock(mutex_);
    status_.state = MirrorState::kPaused;
  }
  EXPECT_EQ(watch_.look().state, MirrorState::kPaused);
  EXPECT_EQ(changes(), std::vector<std::string>{">paused"});
}

TEST_F(Watching, KeepsTheTimeOfEachState) {
  set(MirrorState::kInSync);
  static_cast<void>(watch_.look());
  std::this_thread::sleep_for(300ms);
  set(MirrorState::kDegraded);
  static_cast<void>(watch_.look());
  const StateHistory history = watch_.history();
  EXPECT_GE(history.seconds.at("in-sync"), 0.3);
  EXPECT_LT(history.seconds.at("degraded"), 0.2);
}

TEST(StateCause, NamesWhatAnAdministratorLooksFor) {
  EngineStatus status;
  status.state = MirrorState::kDegraded;
  status.marks = 260;
  status.failed = {{"a/b", "No space left on device"}};
  EXPECT_EQ(control::state_cause(status), "'a/b': No space left on device; 260 objects may differ");
  status.answers = false;
  EXPECT_EQ(control::state_cause(status), "the replica does not answer");
}

}  // namespace
}  // namespace mirrorfs
