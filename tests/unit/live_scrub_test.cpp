// What others did to the replica while it is mirrored: found, told and repaired (G1, G2).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <thread>

#include "engine/journal/scrub_record.h"
#include "live_fixture.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class LiveScrub : public LiveTest {
 protected:
  /// Other bytes under the same size and times, as a disk that rots would have them.
  void rot(const std::string& path) const {
    const fs::path file = replica_ / path;
    struct stat before{};
    ASSERT_EQ(::stat(file.c_str(), &before), 0) << file;
    const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), "#", 1, before.st_size / 2), 1);
    const timespec times[2] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(::futimens(fd.get(), times), 0);
  }

  Examined examine(const std::string& path, bool full = false, bool repair = false,
                   std::chrono::milliseconds patience = 10s) {
    const auto found =
        mirror_->examine({.paths = {path}, .full = full, .repair = repair, .patience = patience},
                         [] { return false; });
    EXPECT_EQ(found.size(), 1U);
    return found.at(0);
  }
  Finding finding(const std::string& path) { return examine(path).finding; }

  /// As applications are that the queue holds back: the driver asks for no room in it.
  void hold_back() const {
    while (mirror_->status().queued_ops > 100) std::this_thread::sleep_for(100us);
  }

  void start_scrub(std::chrono::seconds period, Check check = Check::kQuick) {
    MirrorOptions changed = options();
    changed.scrub = period;
    changed.check = check;
    start(changed);
    ASSERT_TRUE(mirror_->wait(30s));
  }

  template <class Condition>
  [[nodiscard]] bool eventually(Condition condition, std::chrono::seconds patience = 30s) const {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(20ms);
    }
    return true;
  }

  [[nodiscard]] ScrubStatus scrub() const { return mirror_->status().scrub; }
  [[nodiscard]] std::string pair_id() const {
    for (const auto& file : fs::directory_iterator(state_)) {
      if (file.path().extension() == ".session") return file.path().stem().string();
    }
    return "none";
  }
};

TEST_F(LiveScrub, EqualTreesAreFoundEqual) {
  put_source("d/file", "content");
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  for (const char* path : {"", ".", "d", "./d/file", "nothing", "nothing/below"}) {
    EXPECT_EQ(examine(path, true).finding, Finding::kEqual) << path << examine(path, true).what;
  }
}

TEST_F(LiveScrub, G7_WhatIsNotOfTheTreesIsNotTouched) {
  put_source("d/file", "content");
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  for (const char* path : {"..", "d/../..", "d/..", ".mirrorfs", ".mirrorfs/pair"}) {
    EXPECT_EQ(examine(path, true, true).finding, Finding::kFailed) << path;
  }
  EXPECT_TRUE(fs::exists(replica_ / ".mirrorfs/pair"));
  expect_equal();
}

TEST_F(LiveScrub, EveryKindOfDifferenceIsFoundAndRepaired) {
  put_source("d/file", "content");
  put_source("d/gone", "gone");
  put_source("d/below/deep", "deep");
  put_source("rights", "rights");
  put_source("typed", "typed");
  put_source("several/a", "linked");
  fs::create_hard_link(source_ / "several/a", source_ / "several/b");
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  fs::remove(replica_ / "d/gone");
  fs::remove_all(replica_ / "d/below");
  fs::permissions(replica_ / "rights", fs::perms::owner_read);
  fs::permissions(replica_ / "several", fs::perms::owner_all);
  fs::permissions(replica_, fs::perms::owner_all);
  fs::remove(replica_ / "typed");
  fs::create_directory(replica_ / "typed");
  put_replica("d/extraneous", "extraneous");
  fs::remove(replica_ / "several/b");
  put_replica("several/b", "linked");
  const std::vector<std::string> paths = {"d/gone", "d/below/deep", "rights",   "typed", "several",
                                          ".",      "d/extraneous", "several/b"};
  for (const std::string& path : paths) {
    const Examined found = examine(path);
    EXPECT_EQ(found.finding, Finding::kDiffers) << path << ": " << found.what;
  }
  for (const std::string& path : paths) {
    EXPECT_EQ(examine(path, false, true).finding, Finding::kDiffers) << path;
  }
  expect_equal();
  EXPECT_EQ(mirror_->status().state, MirrorState::kInSync);
}

TEST_F(LiveScrub, RotIsFoundByContentOnlyAndMended) {
  put_source("d/file", "content that stays");
  put_source("d/large", std::string(9 << 20, 'x'));
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  for (const char* path : {"d/file", "d/large"}) {
    rot(path);
    EXPECT_EQ(examine(path).finding, Finding::kEqual) << path;
    EXPECT_EQ(examine(path, true, true).finding, Finding::kDiffers) << path;
  }
  expect_equal();
  EXPECT_EQ(replica_content("d/file"), "content that stays");
}

/// After a clean stop and --check=none the engine has met none of these directories.
TEST_F(LiveScrub, RotIsMendedInASessionThatTrustsTheReplica) {
  put_source("a/b/c/file", "content that stays");
  put_source("a/b/other", "other");
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  ASSERT_TRUE(stop());
  MirrorOptions trusting = options();
  trusting.check = Check::kNone;
  start(trusting);
  rot("a/b/c/file");
  rot("a/b/other");
  EXPECT_EQ(examine("a/b/other", true).finding, Finding::kDiffers);
  EXPECT_EQ(examine("a/b/c/file", true, true).finding, Finding::kDiffers);
  static_cast<void>(
      examine("a/b/other", true, true));  // the walk of its directory may have been first
  expect_equal();
}

TEST_F(LiveScrub, WhatIsBeingWrittenIsNoDifference) {
  put_source("hot", "start");
  put_source("names/x", "x");
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  std::atomic<bool> over = false;
  std::atomic<unsigned> rounds = 0;
  std::thread writer([&] {
    for (std::uint64_t at = 0; !over; ++at) {
      driver_->write("hot", at * 100, std::string(100, 'y'));
      const std::string name = "names/n" + std::to_string(at % 7);
      if (!driver_->create(name)) driver_->unlink(name);
      driver_->rename("names/x", "names/y");
      driver_->rename("names/y", "names/x");
      ++rounds;
      hold_back();
    }
  });
  for (int i = 0; i < 15 || rounds < 300; ++i) {
    for (const char* path : {"hot", "names", "names/n3", "names/x", "names/y"}) {
      const Examined found = examine(path, true, false, 300ms);
      EXPECT_NE(found.finding, Finding::kDiffers) << path << ": " << found.what;
      EXPECT_NE(found.finding, Finding::kFailed) << path << ": " << found.what;
    }
  }
  over = true;
  writer.join();
  expect_equal();
}

TEST_F(LiveScrub, ADifferenceIsFoundWhileOthersAreWritten) {
  put_source("hot", "start");
  put_source("still", "it stands still");
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  rot("still");
  std::atomic<bool> over = false;
  std::thread writer([&] {
    for (std::uint64_t at = 0; !over; ++at) {
      driver_->write("hot", at % 1000, "y");
      hold_back();
    }
  });
  EXPECT_EQ(examine("still", true, true).finding, Finding::kDiffers);
  over = true;
  writer.join();
  expect_equal();
}

TEST_F(LiveScrub, WhatAPausedReplicaLacksIsKnown) {
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  ASSERT_TRUE(mirror_->pause());
  driver_->create("file");
  EXPECT_EQ(finding("file"), Finding::kKnown);
  mirror_->resume();
  EXPECT_TRUE(mirror_->wait(30s));
  EXPECT_EQ(finding("file"), Finding::kEqual);
  expect_equal();
}

TEST_F(LiveScrub, OffItDoesNothing) {
  put_source("file", "content");
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  rot("file");
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(scrub().objects_total, 0U);
  EXPECT_FALSE(fs::exists(state_ / (pair_id() + ".scrub")));
  EXPECT_NE(replica_content("file"), "content");
}

TEST_F(LiveScrub, FindsAndMendsRot) {
  put_source("d/e/file", "content that stays");
  put_source("d/large", std::string(9 << 20, 'x'));
  start_scrub(2s);
  rot("d/e/file");
  rot("d/large");
  EXPECT_TRUE(eventually([&] { return scrub().differences_total >= 2; }));
  expect_equal();
  EXPECT_EQ(replica_content("d/e/file"), "content that stays");
  EXPECT_EQ(scrub().differences_total, 2U);
}

TEST_F(LiveScrub, CompletesPassesAndFindsNothingInEqualTrees) {
  for (int i = 0; i < 30; ++i)
    put_source("d" + std::to_string(i % 5) + "/f" + std::to_string(i), "x");
  fs::create_symlink("nowhere", source_ / "link");
  fs::create_hard_link(source_ / "d0/f0", source_ / "d1/linked");
  start_scrub(1s);
  ASSERT_TRUE(eventually([&] { return scrub().last_verify != 0; }));
  const std::uint64_t once = scrub().objects_total;
  EXPECT_GE(once, 38U);
  EXPECT_TRUE(eventually([&] { return scrub().objects_total >= 2 * once; })) << "it goes on";
  EXPECT_EQ(scrub().differences_total, 0U);
  EXPECT_EQ(mirror_->status().marks, 0U);
}

TEST_F(LiveScrub, NoticesThatAllWasDeleted) {
  put_source("a/file", "a");
  put_source("b/c/file", "b");
  put_source("file", "content");
  start_scrub(3600s);
  for (const char* name : {"a", "b", "file"}) fs::remove_all(replica_ / name);
  EXPECT_TRUE(eventually([&] { return replica_content("b/c/file") == "b"; }))
      << "long before the pass comes there";
  expect_equal();
}

TEST_F(LiveScrub, RestsWhileThePauseLasts) {
  put_source("d/file", "content");
  start_scrub(1s);
  ASSERT_TRUE(eventually([&] { return scrub().last_verify != 0; }));
  ASSERT_TRUE(mirror_->pause());
  std::this_thread::sleep_for(200ms);
  const std::uint64_t before = scrub().objects_total;
  rot("d/file");
  std::this_thread::sleep_for(2500ms);
  EXPECT_EQ(scrub().objects_total, before);
  EXPECT_NE(replica_content("d/file"), "content");
  mirror_->resume();
  EXPECT_TRUE(eventually([&] { return replica_content("d/file") == "content"; }));
  expect_equal();
}

TEST_F(LiveScrub, GoesOnWhereItStood) {
  put_source("a/file", "content of a");
  put_source("m/n/file", "content of n");
  put_source("z/file", "content of z");
  start();
  ASSERT_TRUE(mirror_->wait(30s));
  const std::string pair = pair_id();
  ASSERT_TRUE(stop());
  const UniqueFd state(::open(state_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(journal::write_scrub_record(
      state.get(), pair, {.last_began = std::time(nullptr), .under_way = true, .position = "m/n"}));
  start_scrub(20s);
  rot("a/file");
  rot("m/n/file");
  rot("z/file");
  EXPECT_TRUE(eventually([&] { return replica_content("z/file") == "content of z"; }, 15s));
  EXPECT_EQ(replica_content("m/n/file"), "content of n");
  EXPECT_NE(replica_content("a/file"), "content of a") << "it was compared before the restart";
  EXPECT_TRUE(eventually([&] { return replica_content("a/file") == "content of a"; }, 40s));
  expect_equal();
}

TEST_F(LiveScrub, RemembersItsLastPass) {
  put_source("file", "content");
  start_scrub(1s);
  ASSERT_TRUE(eventually([&] { return scrub().last_verify != 0; }));
  ASSERT_TRUE(stop());
  start_scrub(3600s);
  EXPECT_TRUE(eventually([&] { return scrub().last_verify != 0; }, 5s));
  EXPECT_EQ(scrub().objects_total, 0U) << "the next pass is not due";
}

}  // namespace
}  // namespace mirrorfs::testing
