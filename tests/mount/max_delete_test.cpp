// G8: an emptied source, and what else would take much of the replica with it, is refused before
// anything is removed.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "mirror_pair.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

class MaxDelete : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  /// Removed through the mount, and the daemon is killed before the replica has any of it.
  void remove_and_crash(int first, int last) const {
    pair.mount();
    pair.wait();
    ASSERT_EQ(pair.ctl({"pause", "m"}).exit_code, 0);
    for (int i = first; i < last; ++i) unlink_file(pair.path("m/file" + std::to_string(i)));
    pair.crash();
    ASSERT_TRUE(is_there(pair.path("d/file" + std::to_string(first))));
  }

  MirrorPair pair;
};

TEST_F(MaxDelete, ASourceThatWasEmptiedIsNotMirrored) {
  pair.fill("s", 500);
  pair.mirror_once();
  for (int i = 0; i < 500; ++i) unlink_file(pair.path("s/file" + std::to_string(i)));
  pair.expect_refused("s", "d", "500 of 500 objects");
  const Finished synced = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(synced.exit_code, 2) << synced.out;
  for (const char* part : {"500 of 500", "mounted?", "sync --dry-run", "--max-delete", "file"}) {
    EXPECT_NE(synced.err.find(part), std::string::npos) << part << " in: " << synced.err;
  }
  EXPECT_TRUE(is_there(pair.path("d/file499")));
  const Finished dry = pair.ctl({"sync", "--dry-run", "s", "d"});
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  EXPECT_NE(dry.out.find("file499"), std::string::npos);
  EXPECT_EQ(pair.ctl({"verify", "--repair", "s", "d"}).exit_code, 2);
  pair.mount("s", "d", {"--max-delete=100%"});
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("s", "d"), "");
}

/// The mutants: a limit that counts files only, or one that is looked at afterwards.
TEST_F(MaxDelete, ItCountsAllThatWouldGo) {
  make_directory(pair.path("s/dir"));
  for (int i = 0; i < 149; ++i) write_file(pair.path("s/dir/" + std::to_string(i)), "x");
  pair.fill("s", 140);
  pair.mirror_once();
  std::filesystem::remove_all(pair.path("s/dir"));
  pair.expect_refused("s", "d", "150 of 290 objects");
  pair.expect_refused("s", "d", "150 of 290 objects", {"--max-delete=149"});
  pair.expect_refused("s", "d", "150 of 290 objects", {"--max-delete=50%"});
  EXPECT_EQ(pair.ctl({"sync", "--max-delete=149", "s", "d"}).exit_code, 2);
  EXPECT_TRUE(is_there(pair.path("d/dir/0")));
  pair.mount("s", "d", {"--max-delete=150"});
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("s", "d"), "");
  for (int i = 0; i < 70; ++i) unlink_file(pair.path("s/file" + std::to_string(i)));
  pair.expect_refused("s", "d", "70 of 140 objects", {"--max-delete=69"});
  pair.mirror_once();  // half is not more than half
}

/// The mutant: a total without the directories that need not be read.
TEST_F(MaxDelete, DirectoriesThatAreAsTheyWereCountToo) {
  make_directory(pair.path("s/dir"));
  for (int i = 0; i < 59; ++i) write_file(pair.path("s/dir/" + std::to_string(i)), "x");
  pair.fill("s", 100);
  pair.mirror_once();
  for (int i = 0; i < 80; ++i) unlink_file(pair.path("s/file" + std::to_string(i)));
  pair.mirror_once();  // 80 of 160
  pair.fill("s", 100);
  pair.mirror_once();
  for (int i = 0; i < 81; ++i) unlink_file(pair.path("s/file" + std::to_string(i)));
  pair.expect_refused("s", "d", "81 of 160 objects");
  pair.expect_refused("s", "d", "81 of 160 objects", {"--max-delete=50%"});
  // In a directory that has only lost names.
  pair.fill("s", 100);
  for (int i = 0; i < 59; ++i) unlink_file(pair.path("s/dir/" + std::to_string(i)));
  pair.expect_refused("s", "d", "59 of 160 objects", {"--max-delete=58"});
}

/// The mutant: what was removed through the mount counts as if somebody else had removed it.
TEST_F(MaxDelete, AKillAfterALargeRemovalDoesNotKeepTheMirrorDown) {
  pair.fill("s", 300);
  pair.mirror_once();
  remove_and_crash(0, 200);
  pair.mirror_once();  // by what is marked
  pair.fill("s", 300);
  pair.mirror_once();
  remove_and_crash(0, 200);
  // Without the marks everything is compared.
  const auto state = std::filesystem::directory_iterator(pair.path("state"));
  for (const auto& file : state) {
    if (file.path().extension() == ".marks") unlink_file(file.path());
  }
  pair.mirror_once();
  EXPECT_FALSE(is_there(pair.path("d/file199")));
}

TEST_F(MaxDelete, AfterAKillAnEmptySourceIsRefusedAllTheSame) {
  pair.fill("s", 20);
  pair.mirror_once();
  remove_and_crash(0, 20);
  pair.expect_refused("s", "d", "20 of 20 objects");
  pair.mount("s", "d", {"--max-delete=20"});
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("s", "d"), "");
}

/// A check is what a mount does: after a clean stop, with whatever --check says but none.
TEST_F(MaxDelete, ItHoldsForEveryKindOfCheck) {
  pair.fill("s", 150);
  pair.mirror_once();
  for (int i = 0; i < 100; ++i) unlink_file(pair.path("s/file" + std::to_string(i)));
  for (const char* check : {"--check=none", "--check=quick", "--check=full"}) {
    pair.expect_refused("s", "d", "100 of 150 objects", {check});
  }
  EXPECT_EQ(pair.ctl({"sync", "--check=full", "s", "d"}).exit_code, 2);
  EXPECT_TRUE(is_there(pair.path("d/file0")));
}

}  // namespace
}  // namespace mirrorfs::test
