// G4: who waits for the replica keeps nobody else waiting, who only reads never waits, and whoever
// waits can be killed. Nothing here is about speed: what is waited for would never come by itself.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "frozen_filesystem.h"
#include "fuse_rings.h"
#include "mirror_mount.h"
#include "process_facts.h"

namespace mirrorfs::test {
namespace {

/// Far longer than any of it takes, far shorter than for ever.
constexpr milliseconds kAtOnce(10'000);

unsigned processors() { return static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN)); }

/// Requests by io_uring are served by the thread of the processor that they come from.
void stay_on_processor(unsigned number) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(number % processors(), &set);
  check(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity", {});
}

struct Deed {
  const char* name;
  std::function<void(const Path&)> run;  ///< below the directory given
};

/// What others do who have no business with the replica, each in a place that nobody looked up
/// before.
const std::vector<Deed>& reading() {
  static const std::vector<Deed> deeds = {
      {"statfs",
       [](const Path& root) {
         struct statvfs facts{};
         check(::statvfs(root.parent_path().c_str(), &facts), "statvfs", root);
       }},
      {"ls", [](const Path& root) { run_or_throw({"ls", "-lR", root.string()}); }},
      {"stat", [](const Path& root) { (void)stat_of(root / "er/file"); }},
      {"cat", [](const Path& root) { (void)read_file(root / "er/file"); }},
      {"a name that is not there", [](const Path& root) { (void)is_there(root / "er/none"); }},
  };
  return deeds;
}

/// In addition, in mode fsync with room in the queue.
const std::vector<Deed>& changing() {
  static const std::vector<Deed> deeds = {
      {"touch", [](const Path& root) { run_or_throw({"touch", root / "er/touched"}); }},
      {"mkdir", [](const Path& root) { run_or_throw({"mkdir", "-p", root / "er/made"}); }},
      {"write", [](const Path& root) { write_file(root / "er/written", "content"); }},
  };
  return deeds;
}

/// Processes that make a call which will not come back. They end with this.
class Waiters {
 public:
  /// Each runs `call` again and again, on the processors in turn.
  Waiters(unsigned count, const std::function<void(unsigned)>& call) {
    for (unsigned number = 0; number < count; ++number) {
      children_.push_back(ChildProcess::fork_off([number, &call] {
        stay_on_processor(number);
        for (;;) call(number);
      }));
    }
  }

  /// All of them stand still: no file of theirs gets any further.
  [[nodiscard]] bool all_wait() const {
    return eventually([this] {
      return std::ranges::all_of(children_, [](const ChildProcess& child) {
        const auto before = sleeps_by_thread(child.pid());
        std::this_thread::sleep_for(milliseconds(300));
        return state_of(child.pid()) != 'R' && sleeps_by_thread(child.pid()) == before;
      });
    });
  }

  /// kill -9 ends each at once.
  void expect_killable() {
    for (ChildProcess& child : children_) {
      child.signal(SIGKILL);
      EXPECT_TRUE(child.wait(kAtOnce))
          << "a process that was killed is in state " << state_of(child.pid());
    }
  }

 private:
  std::vector<ChildProcess> children_;
};

constexpr unsigned kPlaces = 100;

/// Every deed on every processor, each by a process of its own that may get stuck, and in a place
/// of its own.
void expect_done_at_once(const std::vector<Deed>& deeds, const Path& root, const char* while_) {
  static unsigned place = 0;
  for (unsigned processor = 0; processor < processors(); ++processor) {
    for (const Deed& deed : deeds) {
      const Path where = root / fmt::format("deep{}", place++ % kPlaces);
      ChildProcess doer = ChildProcess::fork_off([&] {
        stay_on_processor(processor);
        deed.run(where);
      });
      const auto code = doer.wait(kAtOnce);
      EXPECT_TRUE(code) << deed.name << " on processor " << processor << " waits " << while_
                        << ", in state " << state_of(doer.pid());
      EXPECT_EQ(code.value_or(0), 0) << deed.name;
      if (!code) return;  // nobody else will fare better, and each would take long to fail
    }
  }
}

/// Runs its action at the end of the scope: what lets stuck processes go.
class AtEnd {
 public:
  explicit AtEnd(std::function<void()> action) : action_(std::move(action)) {}
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() { action_(); }

 private:
  std::function<void()> action_;
};

void make_tree(const MirrorMount& mirror, unsigned files) {
  for (unsigned place = 0; place < kPlaces; ++place) {
    const Path deep = mirror.source(fmt::format("deep{}", place));
    std::filesystem::create_directories(deep / "er");
    write_file(deep / "er/file", "content");
  }
  for (unsigned number = 0; number < files; ++number) {
    write_file(mirror.source(fmt::format("file{}", number)), "content");
  }
}

struct Waiting {
  const char* transport;
  unsigned for_each_processor;
};

void PrintTo(const Waiting& waiting, std::ostream* stream) {
  *stream << waiting.transport << " " << waiting.for_each_processor;
}

class WaitingForFsync : public testing::TestWithParam<Waiting> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    if (std::string(GetParam().transport) != "uring") return;
    if (!FuseRings::exist()) GTEST_SKIP() << "the kernel has no FUSE over io_uring";
    rings_ = std::make_unique<FuseRings>();
  }

  std::unique_ptr<FuseRings> rings_;
};

TEST_P(WaitingForFsync, G4_ManyInFsyncKeepNobodyElseWaitingAndCanBeKilled) {
  const std::string transport = GetParam().transport;
  const unsigned count = GetParam().for_each_processor * processors();
  MirrorMount mirror({.options = {"--mode=fsync", "--transport=" + transport}});
  make_tree(mirror, count);
  mirror.start();
  mirror.wait();
  const auto used = nlohmann::json::parse(mirror.status().json).at("transport");
  ASSERT_NE(used.get<std::string>().find(transport), std::string::npos) << used;
  mirror.pause();
  Waiters waiters(count, [&](unsigned number) {
    const Path path = mirror.mount(fmt::format("file{}", number));
    const UniqueFd file = open_file(path, O_WRONLY);
    write_all(file.get(), "new", path);
    check(::fsync(file.get()), "fsync", path);
  });
  const AtEnd let_go([&] { mirror.resume(); });
  ASSERT_TRUE(waiters.all_wait());
  const std::string while_ = fmt::format("while {} are in fsync", count);
  expect_done_at_once(reading(), mirror.mount(), while_.c_str());
  expect_done_at_once(changing(), mirror.mount(), while_.c_str());
  if (HasFailure()) return;
  waiters.expect_killable();
  expect_done_at_once(reading(), mirror.mount(), "after they were killed");
  mirror.resume();
  EXPECT_TRUE(mirror.identical());
}

INSTANTIATE_TEST_SUITE_P(G4, WaitingForFsync,
                         testing::Values(Waiting{"dev", 1}, Waiting{"dev", 2}, Waiting{"dev", 4},
                                         Waiting{"dev", 8}, Waiting{"uring", 1},
                                         Waiting{"uring", 2}, Waiting{"uring", 4}),
                         [](const auto& test) {
                           return fmt::format("{}_{}_on_each_processor", test.param.transport,
                                              test.param.for_each_processor);
                         });

class WaitingForRoom : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    if (std::string(GetParam()) != "uring") return;
    if (!FuseRings::exist()) GTEST_SKIP() << "the kernel has no FUSE over io_uring";
    rings_ = std::make_unique<FuseRings>();
  }

  static std::string transport() { return std::string("--transport=") + GetParam(); }

  /// One on each processor that changes a file's attributes for ever.
  static std::function<void(unsigned)> changes_of(const MirrorMount& mirror) {
    return [&mirror](unsigned number) {
      const Path path = mirror.mount(fmt::format("file{}", number));
      for (unsigned mode = 0; mode < 1'000; ++mode) change_mode(path, 0600 + mode % 8);
    };
  }

  std::unique_ptr<FuseRings> rings_;
};

/// Paused, and writers wait for room.
TEST_P(WaitingForRoom, G4_ThrottledWritersKeepNoReaderWaitingAndCanBeKilled) {
  MirrorMount mirror({.options = {"--overflow=throttle", "--queue-size=1M", transport()}});
  const unsigned count = 2 * processors();
  make_tree(mirror, count);
  mirror.start();
  mirror.wait();
  mirror.pause();
  Waiters writers(count, changes_of(mirror));
  const AtEnd let_go([&] { mirror.resume(); });
  ASSERT_TRUE(writers.all_wait()) << mirror.status().json;
  expect_done_at_once(reading(), mirror.mount(), "behind a full queue");
  if (HasFailure()) return;
  writers.expect_killable();
  mirror.resume();
  EXPECT_TRUE(mirror.identical());
}

/// The disk hangs: in neither kind of overflow is that the readers' business, and with catch-up not
/// even the writers'.
class BehindAHangingReplica : public WaitingForRoom {
 protected:
  void expect_readers_unhindered(const char* overflow, bool writers_too) {
    MirrorMount mirror(
        {.replica = Filesystem::kExt4, .options = {overflow, "--queue-size=1M", transport()}});
    const unsigned count = processors();
    make_tree(mirror, count);
    mirror.start();
    ASSERT_TRUE(mirror.identical());
    auto frozen = std::make_unique<FrozenFilesystem>(mirror.replica());
    Waiters writers(count, changes_of(mirror));
    const AtEnd let_go([&] { frozen.reset(); });
    // Enough for any queue of this size, whatever an operation is counted as.
    std::this_thread::sleep_for(std::chrono::seconds(4));
    expect_done_at_once(reading(), mirror.mount(), "for a replica that hangs");
    if (!HasFailure() && writers_too) {
      expect_done_at_once(changing(), mirror.mount(), "for a replica that hangs");
    }
    expect_lag_is_told(mirror);
    if (HasFailure()) return;
    writers.expect_killable();
    frozen.reset();
    EXPECT_TRUE(mirror.identical());
  }

  static void expect_lag_is_told(const MirrorMount& mirror) {
    const auto lag = [&]() -> double {
      const Finished told =
          run({MIRRORCTL_PROGRAM, "status", mirror.mount(), "--json"}, {.timeout = kAtOnce});
      if (told.exit_code != 0) return -1;
      return nlohmann::json::parse(told.out).at("lag_seconds").get<double>();
    };
    const double before = lag();
    std::this_thread::sleep_for(std::chrono::seconds(2));
    const double after = lag();
    EXPECT_GE(before, 0.0) << "status does not answer";
    EXPECT_GT(after, before) << "a replica that hangs lags more and more";
  }
};

TEST_P(BehindAHangingReplica, G4_NobodyWaitsWithCatchUp) {
  expect_readers_unhindered("--overflow=catch-up", true);
}

TEST_P(BehindAHangingReplica, G4_NoReaderWaitsWithThrottle) {
  expect_readers_unhindered("--overflow=throttle", false);
}

INSTANTIATE_TEST_SUITE_P(G4, WaitingForRoom, testing::Values("dev", "uring"),
                         [](const auto& test) { return std::string(test.param); });
INSTANTIATE_TEST_SUITE_P(G4, BehindAHangingReplica, testing::Values("dev", "uring"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
