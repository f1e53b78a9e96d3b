// G1, G9: what a replica takes with success and stores otherwise is told as what it refuses is, and
// never copied again at each start; names that it cannot have, or folds, lose nothing.
//
// The mutants: Rights without bent(), content that is compared by times as they are meant, a name
// that is looked up by a filesystem that folds it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <random>
#include <thread>

#include "failing_replica_fixture.h"
#include "mirrorfs/tree_pair.h"

namespace mirrorfs::testing {
namespace {

using ::testing::HasSubstr;

class LiveBends : public FailingReplicaTest {
 protected:
  [[nodiscard]] FailingFilesystem::Bends& bends() { return filesystem_->bends(); }
  [[nodiscard]] bool degraded_by(std::string_view cause, std::size_t count) const {
    const bool told = eventually([&] {
      const EngineStatus now = mirror_->status();
      return now.state == MirrorState::kDegraded && now.queued_ops == 0 && now.marks == count &&
             now.last_error.find(cause) != std::string::npos;
    });
    const EngineStatus now = mirror_->status();
    if (!told) {
      ADD_FAILURE() << to_string(now.state) << ", marks " << now.marks << ": " << now.last_error;
    }
    return told;
  }
  [[nodiscard]] struct stat copy_of(const std::string& path) const {
    struct stat status{};
    EXPECT_EQ(::lstat((base_ / "backing" / path).c_str(), &status), 0) << path;
    return status;
  }
  [[nodiscard]] bool backing_has(const std::string& path) const {
    struct stat status{};
    return ::lstat((base_ / "backing" / path).c_str(), &status) == 0;
  }
  [[nodiscard]] bool gone(const std::string& path) const {
    return eventually([&] { return !backing_has(path); });
  }
  /// Through the mount, with all below.
  void remove(const std::string& path) {
    if (std::filesystem::is_directory(source_ / path)) {
      for (const std::string& name : names_in(path)) remove(path + "/" + name);
      EXPECT_TRUE(driver_->rmdir(path)) << path;
    } else {
      EXPECT_TRUE(driver_->unlink(path)) << path;
    }
  }
  void remove_capitals_below(const std::string& directory) {
    for (const std::string& name : names_in(directory)) {
      const std::string path = directory.empty() ? name : directory + "/" + name;
      if (std::isupper(static_cast<unsigned char>(name[0])) != 0) {
        remove(path);
      } else if (std::filesystem::is_directory(source_ / path)) {
        remove_capitals_below(path);
      }
    }
  }
  [[nodiscard]] std::vector<std::string> names_in(const std::string& directory) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(source_ / directory)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  void expect_in_sync() {
    expect_equal();
    EXPECT_EQ(mirror_->status().state, MirrorState::kInSync);
  }
};

TEST_F(LiveBends, G1AModeThatIsIgnoredIsTold) {
  start();
  expect_equal();
  bends().ignores_mode = true;
  ASSERT_TRUE(driver_->create("made", 0600));
  ASSERT_TRUE(driver_->write("made", 0, "content"));
  ASSERT_TRUE(degraded_by("fchmod (taken, but stored otherwise)", 1));
  EXPECT_EQ(replica_content("made"), "content");
  ASSERT_TRUE(driver_->write("made", 0, "more and more"));
  wait_for_replica("made", "more and more");
  EXPECT_EQ(replica_content("made"), "more and more") << "it costs the mode and nothing else";
  ASSERT_TRUE(driver_->create("other", 0600));
  ASSERT_TRUE(degraded_by("fchmod", 2));
  EXPECT_EQ(mirror_->status().errors_total, 1U) << "a kind is named once";
  bends().ignores_mode = false;
  expect_in_sync();
  EXPECT_EQ(copy_of("made").st_mode & 07777, 0600U);
  EXPECT_TRUE(stop());
}

TEST_F(LiveBends, G1AnOwnerThatIsIgnoredIsToldByTheBaseline) {
  start();
  ASSERT_TRUE(stop());
  put_source("file", "content");
  ASSERT_EQ(::chown((source_ / "file").c_str(), 1234, 1234), 0);
  bends().ignores_owner = true;
  start();
  ASSERT_TRUE(degraded_by("fchown (taken, but stored otherwise)", 1));
  EXPECT_EQ(replica_content("file"), "content");
  bends().ignores_owner = false;
  expect_in_sync();
  EXPECT_EQ(copy_of("file").st_uid, 1234U);
  EXPECT_TRUE(stop());
}

/// The mode is the one that the file is made with: nothing sets it. The mutant: a copier that takes
/// that for granted.
TEST_F(LiveBends, G1AModeThatIsIgnoredIsToldByTheBaseline) {
  start();
  ASSERT_TRUE(stop());
  put_source("file", "content");
  ASSERT_EQ(::chmod((source_ / "file").c_str(), 0640), 0);
  bends().ignores_mode = true;
  start();
  ASSERT_TRUE(degraded_by("fchmod (taken, but stored otherwise)", 1));
  EXPECT_EQ(replica_content("file"), "content");
  bends().ignores_mode = false;
  expect_in_sync();
  EXPECT_EQ(copy_of("file").st_mode & 07777, 0640U);
  EXPECT_TRUE(stop());
}

TEST_F(LiveBends, G1TimesThatAreCutAreTold) {
  start();
  expect_equal();
  bends().seconds_of_times = 2;
  ASSERT_TRUE(driver_->create("file"));
  ASSERT_TRUE(driver_->set_mtime("file", {.tv_sec = 1'000'000'001, .tv_nsec = 5}));
  ASSERT_TRUE(degraded_by("futimens (taken, but stored otherwise)", 2)) << "the root's too";
  bends().seconds_of_times = 0;
  expect_in_sync();
  EXPECT_EQ(copy_of("file").st_mtim.tv_nsec, 5);
  EXPECT_TRUE(stop());
}

/// The probe has found where the range ends: that tells, and no copy is made for it.
TEST_F(LiveBends, G1AYearOutOfRangeIsToldAndNotCopiedAgain) {
  constexpr std::int64_t kEnd = 4'000'000'000;
  constexpr timespec kYear2500{.tv_sec = 16'725'225'600, .tv_nsec = 1};
  bends().latest = kEnd;
  start();
  ASSERT_TRUE(driver_->create("file"));
  ASSERT_TRUE(driver_->write("file", 0, "content"));
  expect_in_sync();
  ASSERT_TRUE(driver_->set_mtime("file", kYear2500));
  ASSERT_TRUE(degraded_by("futimens (taken, but stored otherwise)", 1));
  EXPECT_EQ(copy_of("file").st_mtim.tv_sec, kEnd);
  EXPECT_FALSE(stop(std::chrono::seconds(5))) << "not complete";
  start();
  ASSERT_TRUE(degraded_by("futimens (taken, but stored otherwise)", 1));
  EXPECT_EQ(mirror_->status().bytes_replicated_total, 0U);
  EXPECT_FALSE(stop(std::chrono::seconds(5)));
  MirrorOptions changed = options();
  changed.tolerate = {Loss::kTimes};
  start(changed);
  expect_in_sync();
  EXPECT_EQ(mirror_->status().bytes_replicated_total, 0U);
  EXPECT_EQ(mirror_->status().errors_total, 0U);
  EXPECT_TRUE(stop());
}

/// A quick comparison goes by times.
TEST_F(LiveBends, G1AYearOutOfRangeIsCopiedByOneSyncAndNotByTheNext) {
  bends().latest = 4'000'000'000;
  put_source("file", "content");
  const timespec times[2] = {{.tv_sec = 5, .tv_nsec = 0}, {.tv_sec = 5'000'000'000, .tv_nsec = 1}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (source_ / "file").c_str(), times, 0), 0);
  for (const std::uint64_t copied : {1U, 0U}) {
    auto pair = TreePair::open({.source = source_, .replica = replica_, .for_change = true});
    ASSERT_TRUE(pair) << pair.error();
    const auto report = (*pair)->sync({});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->files_copied, copied);
    ASSERT_EQ(report->failures.size(), 1U);
    EXPECT_THAT(report->failures[0].cause, HasSubstr("stored otherwise"));
  }
  for (int again = 0; again < 2; ++again) {
    auto pair = TreePair::open({.source = source_,
                                .replica = replica_,
                                .for_change = true,
                                .tolerate = Losses{Loss::kTimes}});
    ASSERT_TRUE(pair) << pair.error();
    const auto report = (*pair)->sync({});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->files_copied, 0U);
    EXPECT_TRUE(report->failures.empty());
  }
  expect_trees_equal();
}

TEST_F(LiveBends, G1MoreNamesThanOneFileMayHaveAreTold) {
  bends().most_links = 3;
  start();
  ASSERT_TRUE(driver_->create("1"));
  ASSERT_TRUE(driver_->link("1", "2"));
  ASSERT_TRUE(driver_->link("1", "3"));
  expect_in_sync();
  ASSERT_TRUE(driver_->link("1", "4"));
  ASSERT_TRUE(degraded_by("linkat (it becomes a copy of its own)", 1));
  ASSERT_TRUE(driver_->write("2", 0, "of all"));
  for (const char* name : {"1", "2", "3", "4"}) {
    wait_for_replica(name, "of all");
    EXPECT_EQ(replica_content(name), "of all") << name;
  }
  EXPECT_TRUE(eventually([&] { return mirror_->status().queued_ops == 0; }));
  EXPECT_EQ(mirror_->status().state, MirrorState::kDegraded) << "still two files";
  EXPECT_GE(mirror_->status().marks, 1U);
  EXPECT_FALSE(stop(std::chrono::seconds(5)));
  bends().most_links = 4;
  start();
  expect_in_sync();
  EXPECT_TRUE(stop());
}

TEST_F(LiveBends, G1AMarkForANameThatIsTooLongGoesWithTheName) {
  bends().longest_name = 143;
  start();
  const std::string name(200, 'n');
  ASSERT_TRUE(driver_->create(name));
  ASSERT_TRUE(driver_->create("short"));
  ASSERT_TRUE(degraded_by("File name too long", 1));
  EXPECT_TRUE(backing_has("short"));
  ASSERT_TRUE(driver_->unlink(name));
  expect_in_sync();
  ASSERT_TRUE(driver_->mkdir(name));
  ASSERT_TRUE(driver_->create(name + "/below"));
  ASSERT_TRUE(degraded_by("File name too long", 1));
  ASSERT_TRUE(driver_->rename(name, "directory"));
  expect_in_sync();
  EXPECT_TRUE(backing_has("directory/below"));
  EXPECT_TRUE(stop());
}

TEST_F(LiveBends, G1RemovingANameLeavesTheOneThatDiffersInCase) {
  bends().folds_case = true;
  start();
  ASSERT_TRUE(driver_->create("name"));
  ASSERT_TRUE(driver_->write("name", 0, "small"));
  expect_in_sync();
  ASSERT_TRUE(driver_->create("Name"));
  ASSERT_TRUE(driver_->write("Name", 0, "capital"));
  ASSERT_TRUE(degraded_by("Name not unique", 1));
  EXPECT_EQ(replica_content("name"), "small");
  ASSERT_TRUE(driver_->unlink("Name"));
  expect_in_sync();
  EXPECT_EQ(replica_content("name"), "small");
  // The other way round the second takes the place of the first.
  ASSERT_TRUE(driver_->create("Name"));
  ASSERT_TRUE(driver_->write("Name", 0, "capital"));
  ASSERT_TRUE(degraded_by("Name not unique", 1));
  ASSERT_TRUE(driver_->unlink("name"));
  expect_in_sync();
  EXPECT_EQ(replica_content("Name"), "capital");
  EXPECT_FALSE(backing_has("name"));
  ASSERT_TRUE(driver_->rename("Name", "NAME"));
  expect_in_sync();
  EXPECT_TRUE(backing_has("NAME"));
  EXPECT_TRUE(gone("Name"));
  EXPECT_TRUE(stop());
}

/// The mutant: is_own_name() that is always true.
TEST_F(LiveBends, G1ADirectoryIsNotTakenForTheOneThatDiffersInCase) {
  bends().folds_case = true;
  start();
  ASSERT_TRUE(driver_->mkdir("dir"));
  ASSERT_TRUE(driver_->create("dir/below"));
  ASSERT_TRUE(driver_->write("dir/below", 0, "kept"));
  expect_in_sync();
  ASSERT_TRUE(stop());
  start();  // now the replica's directory is known as the copy of this one
  expect_in_sync();
  ASSERT_TRUE(driver_->mkdir("DIR"));
  ASSERT_TRUE(driver_->create("DIR/other"));
  ASSERT_TRUE(degraded_by("Name not unique", 1));
  EXPECT_EQ(replica_content("dir/below"), "kept");
  EXPECT_FALSE(backing_has("dir/other"));
  ASSERT_TRUE(driver_->unlink("DIR/other"));
  ASSERT_TRUE(driver_->rmdir("DIR"));
  expect_in_sync();
  EXPECT_EQ(replica_content("dir/below"), "kept");
  ASSERT_TRUE(driver_->rename("dir", "Dir"));
  expect_in_sync();
  EXPECT_EQ(replica_content("Dir/below"), "kept");
  EXPECT_FALSE(backing_has("dir"));
  EXPECT_TRUE(stop());
}

TEST_F(LiveBends, G1TheBaselineTellsNamesThatDifferInCase) {
  put_source("d/name", "small");
  put_source("d/Name", "capital");
  put_source("d/other", "other");
  bends().folds_case = true;
  start();
  ASSERT_TRUE(degraded_by("Name not unique", 1));
  const std::string kept = backing_has("d/name") ? "name" : "Name";
  EXPECT_EQ(replica_content("d/" + kept), kept == "name" ? "small" : "capital");
  EXPECT_EQ(replica_content("d/other"), "other");
  ASSERT_TRUE(driver_->unlink(kept == "name" ? "d/Name" : "d/name"));
  expect_in_sync();
  EXPECT_TRUE(stop());
}

/// Threads decide what is applied and what reconciled: the seed gives the operations, not the run.
TEST_F(LiveBends, G1RandomNamesThatDifferInCase) {
  bends().folds_case = true;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto draw = [&random](std::size_t below) { return random() % below; };
  constexpr std::array<const char*, 6> kNames = {"a", "A", "b", "B", "d", "D"};
  const auto path = [&] {
    const std::string name = kNames[draw(6)];
    return draw(2) == 0 ? name : std::string(kNames[4 + draw(2)]) + "/" + kNames[draw(4)];
  };
  start();
  for (int i = 0; i < 300; ++i) {
    const std::string one = path();
    switch (draw(7)) {
      case 0:
      case 1: (void)(driver_->create(one) && driver_->write(one, 0, one)); break;
      case 2: (void)driver_->mkdir(one); break;
      case 3: (void)driver_->unlink(one); break;
      case 4: (void)driver_->rmdir(one); break;
      case 5: (void)driver_->rename(one, path()); break;
      default: (void)driver_->write(one, 0, std::to_string(i)); break;
    }
    if (draw(40) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  remove_capitals_below("");
  expect_in_sync();
  EXPECT_TRUE(stop());
}

}  // namespace
}  // namespace mirrorfs::testing
