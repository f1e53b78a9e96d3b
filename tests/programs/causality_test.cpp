// G3, G6: the replica, frozen at any moment, is a past that the source had: a database opens from
// it, and in modes fsync and sync nothing is missing that was acknowledged before.
// MIRRORFS_COPIES=N: so many copies for each case; MIRRORFS_SEED=N draws the moments (the rest is
// left to the machine, so a seed alone does not replay a failure).
//
// The mutant: barriers that hold nothing back.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>

#include "program_mount.h"

namespace mirrorfs::test {
namespace {

std::uint64_t seed() {
  const char* const given = std::getenv("MIRRORFS_SEED");
  return given != nullptr ? std::stoull(given) : std::random_device{}();
}

const std::string kLedger = std::string(MIRRORFS_SOURCE_TREE) + "/tests/programs/sqlite_ledger.py";

/// The daemon stands still from one moment to the next, in the middle of whatever it does.
class StoppedDaemon {
 public:
  explicit StoppedDaemon(pid_t daemon) : daemon_(daemon) {
    ::kill(daemon_, SIGSTOP);
    if (!eventually([this] { return all_threads_stopped(); })) throw std::runtime_error("no stop");
  }
  StoppedDaemon(const StoppedDaemon&) = delete;
  StoppedDaemon& operator=(const StoppedDaemon&) = delete;
  ~StoppedDaemon() { ::kill(daemon_, SIGCONT); }

 private:
  /// kill(2) returns before the threads have stopped, those of the kernel's io_uring workers too.
  [[nodiscard]] bool all_threads_stopped() const {
    const Path tasks = Path("/proc") / std::to_string(daemon_) / "task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      std::ifstream file(task.path() / "stat");
      std::string text;
      std::getline(file, text);
      const auto name_end = text.rfind(')');
      if (name_end != std::string::npos && text.substr(name_end + 2, 1) != "T") return false;
    }
    return true;
  }

  pid_t daemon_;
};

/// By the journal mode of SQLite and the mode of the mirror.
class Causality : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_WITHOUT_PROGRAMS("python3");
    const std::string mode = std::get<1>(GetParam());
    promises_ = mode != "async";
    work_ = std::make_unique<ProgramMount>(Filesystem::kExt4, std::vector{"--mode=" + mode});
    make_directory(mirror().mount("db"));
    mirror().wait();
  }

  MirrorMount& mirror() { return work_->mirror(); }
  [[nodiscard]] Path acknowledged_file() { return mirror().base() / "acknowledged"; }

  [[nodiscard]] std::int64_t acknowledged() {
    std::int64_t number = 0;
    std::ifstream file(acknowledged_file(), std::ios::binary);
    file.read(reinterpret_cast<char*>(&number), sizeof number);
    return file ? number : 0;
  }

  [[nodiscard]] ChildProcess start_writer() {
    const UniqueFd output =
        open_file(mirror().base() / "writer", O_WRONLY | O_CREAT | O_APPEND, 0666);
    return ChildProcess::start({"python3", kLedger, "write", mirror().mount("db"),
                                std::get<0>(GetParam()), acknowledged_file()},
                               {}, output.get(), output.get());
  }

  /// Every other copy is of the paused replica, every other of one whose daemon was stopped; where
  /// nobody waits for the replica, in the middle of the work that has piled up.
  void copy(const Path& to, bool paused, std::mt19937_64& random) {
    if (paused) return work_->copy_replica("db", to);
    if (!promises_) {
      mirror().pause();
      std::this_thread::sleep_for(milliseconds(random() % 500));
      mirror().resume();
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 10'000));
    }
    const StoppedDaemon stopped(mirror().daemon_pid());
    run_or_throw({"cp", "-a", "--reflink=auto", mirror().replica("db"), to});
  }

  void expect_sound(const Path& copy, std::int64_t acknowledged) {
    const std::string told = run_or_throw({"python3", kLedger, "check", copy});
    std::istringstream words(told);
    std::int64_t last = -1;
    std::int64_t pointer = -1;
    ASSERT_TRUE(words >> last >> pointer) << told;
    ASSERT_GE(last, pointer) << "what was synced later is there without what was synced before";
    ASSERT_GE(last, last_) << "the replica went back in time";
    last_ = last;
    if (!promises_) return;
    ASSERT_GE(last, acknowledged) << "an acknowledged transaction is missing";
  }

  bool promises_ = false;
  std::int64_t last_ = 0;
  std::unique_ptr<ProgramMount> work_;
};

TEST_P(Causality, G3_G6_EveryCopyOfTheReplicaIsAPastOfTheSource) {
  constexpr unsigned kOtherwise = 2;
  const unsigned copies = copies_wanted(kOtherwise);
  const std::uint64_t drawn = seed();
  SCOPED_TRACE(fmt::format("MIRRORFS_SEED={}", drawn));
  std::mt19937_64 random(drawn);
  ChildProcess writer = start_writer();
  ASSERT_TRUE(eventually([&] { return acknowledged() > 20; }))
      << read_file(mirror().base() / "writer");
  mirror().wait();  // the table is there
  for (unsigned number = 0; number < copies; ++number) {
    SCOPED_TRACE(fmt::format("copy {}", number));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
    const Path place = mirror().base() / "copy";
    const std::int64_t before = acknowledged();
    copy(place, number % 2 == 0, random);
    ASSERT_NO_FATAL_FAILURE(expect_sound(place, before));
    std::filesystem::remove_all(place);
  }
  ASSERT_FALSE(writer.wait(milliseconds(0))) << read_file(mirror().base() / "writer");
  writer.signal(SIGKILL);
  (void)writer.wait(milliseconds(20'000));
  fmt::print("{} copies while {} transactions were acknowledged, seed {}\n", copies, acknowledged(),
             drawn);
  work_->expect_mirrored();
}

INSTANTIATE_TEST_SUITE_P(Sqlite, Causality,
                         testing::Combine(testing::Values("DELETE", "WAL"),
                                          testing::Values("async", "fsync", "sync")),
                         [](const auto& test) {
                           return fmt::format("{}_{}", std::get<0>(test.param),
                                              std::get<1>(test.param));
                         });

}  // namespace
}  // namespace mirrorfs::test
