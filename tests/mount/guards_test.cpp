// G8: disks that are not mounted, sources that are empty, clones, two mounts of one source: each is
// refused with one line, and nothing is changed.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "mirror_pair.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

class Guards : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }

  /// An ext4 image; its path.
  std::string image(const std::string& name) const {
    const std::string file = pair.path(name);
    run_or_throw({"truncate", "-s", "32M", file});
    // All made in the same second.
    run_or_throw({"sh", "-c", "E2FSPROGS_FAKE_TIME=1700000000 mkfs.ext4 -q -F '" + file + "'"});
    return file;
  }
  void attach(const std::string& image, const std::string& place) const {
    run_or_throw({"mount", "-o", "loop", image, pair.path(place)});
  }
  void detach(const std::string& place) const { run_or_throw({"umount", pair.path(place)}); }

  MirrorPair pair;
};

TEST_F(Guards, AdoptThatStaysInFstabHasNoEffectWhereThePairExists) {
  pair.fill("s", 3);
  write_file(pair.path("d/other"), "goes away");
  const Finished first = pair.mirrorfs("s", "d", {"-o", "adopt"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(first.err, "");
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("s", "d"), "");
  // What somebody else changes is kept as it is without it.
  write_file(pair.path("d/file0"), "by hand");
  for (int boot = 0; boot < 2; ++boot) {
    const Finished again = pair.mirrorfs("s", "d", {"-o", "adopt"});
    ASSERT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(std::ranges::count(again.err, '\n'), 1) << again.err;
    EXPECT_NE(again.err.find("--adopt has no effect"), std::string::npos) << again.err;
    pair.wait();
    pair.unmount();
    EXPECT_EQ(pair.differences("s", "d"), "");
    EXPECT_EQ(pair.kept_in("d"), std::vector<std::string>{"file0: by hand"});
  }
  EXPECT_NE(pair.log().find("--adopt has no effect"), std::string::npos);
  // After a kill too.
  pair.mount("s", "d", {"-o", "adopt"});
  write_file(pair.path("m/file1"), "by the mount");
  pair.crash();
  pair.mount("s", "d", {"-o", "adopt"});
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("s", "d"), "");
}

/// The mutant: an adoption that is taken at its word where the pair exists.
TEST_F(Guards, AdoptThatStaysInFstabGetsNothingPastTheOtherGuards) {
  pair.fill("s", 3);
  pair.mount("s", "d", {"-o", "adopt"});
  pair.wait();
  pair.unmount();
  // The source's disk is not there at the next boot.
  make_directory(pair.path("bare"));
  pair.expect_refused("bare", "d", "mounted?", {"-o", "adopt"});
  write_file(pair.path("bare/file0"), "of another disk");
  pair.expect_refused("bare", "d", "another source", {"-o", "adopt"});
  // The same source, emptied: whatever else the line allows.
  for (int i = 0; i < 3; ++i) unlink_file(pair.path("s/file" + std::to_string(i)));
  pair.expect_refused("s", "d", "mounted?", {"-o", "adopt"});
  pair.expect_refused("s", "d", "mounted?", {"-o", "adopt,max-delete=100%"});
  pair.expect_refused("d", "s", "promote", {"-o", "adopt"});
  pair.fill("s", 3);
  pair.mirror_once();
  ASSERT_EQ(pair.ctl({"promote", "d"}).exit_code, 0);
  pair.expect_refused("s", "d", "newer than", {"-o", "adopt"});
}

TEST_F(Guards, AnEmptySourceNeverWipesWhatItIsToAdopt) {
  pair.fill("d", 3);
  pair.expect_refused("s", "d", "mounted?");
  pair.expect_refused("s", "d", "mounted?", {"--adopt"});
}

TEST_F(Guards, ASourceThatIsNotMountedIsNotMirrored) {
  const std::string disk = image("disk");
  attach(disk, "s");
  pair.fill("s", 5);
  pair.mirror_once();
  detach("s");
  pair.expect_refused("s", "d", "is its disk mounted?");
  const Finished synced = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(synced.exit_code, 2);
  EXPECT_EQ(synced.err.find("--adopt"), std::string::npos) << synced.err;
  attach(disk, "s");
  pair.mirror_once();
}

TEST_F(Guards, AReplicaThatIsNotMountedIsNotStartedAnew) {
  const std::string disk = image("disk");
  attach(disk, "d");
  pair.fill("s", 5);
  pair.mirror_once();
  detach("d");
  pair.expect_refused("s", "d", "is its disk mounted?");
  pair.expect_refused("s", "d", "is its disk mounted?", {"--adopt"});
  const Finished synced = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(synced.exit_code, 2);
  EXPECT_NE(synced.err.find("mounted?"), std::string::npos) << synced.err;
  EXPECT_TRUE(std::filesystem::is_empty(pair.path("d"))) << "the mount point was written to";
  attach(disk, "d");
  pair.mirror_once();
}

/// The mutant: a known path whose disk is there without a record, and that is taken for a new one.
TEST_F(Guards, GivingAReplicaUpIsAsTheLineSays) {
  make_directory(pair.path("s2"));
  pair.fill("s", 3);
  pair.mirror_once();
  pair.fill("s2", 2);
  write_file(pair.path("s2/other"), "of the new source");
  pair.expect_refused("s2", "d", "belongs to another source", {"--adopt"});
  const std::string line = pair.mirrorfs("s2", "d").err;
  EXPECT_NE(line.find("remove '" + pair.path("d/.mirrorfs").string() + "'"), std::string::npos)
      << line;
  std::filesystem::remove_all(pair.path("d/.mirrorfs"));
  pair.expect_refused("s", "d", "is its disk mounted?", {"--adopt"});
  pair.expect_refused("s2", "d", "give --adopt");
  pair.mount("s2", "d", {"--adopt"});
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("s2", "d"), "");
}

TEST_F(Guards, AReplicaThatWasMadeAnewOnItsDisk) {
  pair.fill("s", 3);
  pair.mirror_once();
  std::filesystem::remove_all(pair.path("d"));
  make_directory(pair.path("d"));
  pair.expect_refused("s", "d", "is its disk mounted?");
  // To copy once more is what was asked for.
  const Finished synced = pair.ctl({"sync", "s", "d"});
  EXPECT_EQ(synced.exit_code, 0) << synced.err;
  EXPECT_EQ(pair.differences("s", "d"), "");
  pair.mirror_once();
  for (const char* tree : {"s", "d"}) {
    std::filesystem::rename(pair.path(tree), pair.path(std::string("old ") + tree));
    make_directory(pair.path(tree));
  }
  pair.fill("s", 2);
  pair.mirror_once();  // another pair, by the same paths
}

TEST_F(Guards, AfterTheRolesTurnedAMissingDiskIsNoticedToo) {
  const std::string disk = image("disk");
  attach(disk, "s");
  pair.fill("s", 5);
  pair.mirror_once();
  ASSERT_EQ(pair.ctl({"promote", "d"}).exit_code, 0);
  detach("s");
  pair.expect_refused("d", "s", "is its disk mounted?");
  attach(disk, "s");
  pair.mount("d", "s");
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("d", "s"), "");
}

TEST_F(Guards, OneSourceIsMountedOnce) {
  for (const char* name : {"d2", "m2"}) make_directory(pair.path(name));
  pair.fill("s", 3);
  pair.mount();
  pair.expect_refused("s", "d2", "in use", {}, "m2");
  EXPECT_FALSE(is_there(pair.path("d2/file0")));
  // Nor may it become somebody's replica, or its replica somebody's source.
  pair.expect_refused("d2", "s", "", {}, "m2");
  pair.expect_refused("d", "d2", "in use", {}, "m2");
  write_file(pair.path("m/still"), "works");
  pair.wait();
  EXPECT_EQ(pair.differences("s", "d"), "");
  pair.unmount();
  pair.mount("s", "d2", {}, "m2");  // one after the other
  pair.unmount("m2");
}

TEST_F(Guards, TwoDisksMadeInTheSameSecondAreTwoSources) {
  const std::string one = image("one"), other = image("other");
  attach(one, "s");
  pair.fill("s", 5);
  pair.mirror_once();
  detach("s");
  attach(other, "s");
  write_file(pair.path("s/of the other"), "x");
  pair.expect_refused("s", "d", "another source");
  EXPECT_TRUE(is_there(pair.path("d/file0")));
  detach("s");
  attach(one, "s");
  pair.mirror_once();
}

/// The mutant: a session that does not touch the source's root.
TEST_F(Guards, ACloneOfTheSourceIsAnOlderState) {
  const std::string disk = image("disk");
  attach(disk, "s");
  pair.fill("s", 5);
  detach("s");
  const std::string clone = pair.path("clone");
  std::filesystem::copy_file(disk, clone);
  attach(disk, "s");
  pair.mirror_once();
  detach("s");
  attach(clone, "s");
  unlink_file(pair.path("s/file1"));
  pair.expect_refused("s", "d", "older state, or a clone");
  EXPECT_TRUE(is_there(pair.path("d/file1")));
  detach("s");
  attach(disk, "s");
  pair.mirror_once();
  detach("s");
}

TEST_F(Guards, WhoHasFilesOpenPastAMountOverTheSourceIsNamed) {
  pair.fill("s", 2);
  const Finished alone = pair.mirrorfs("s", "d", {}, "s");
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_EQ(alone.err, "");
  pair.unmount("s");
  const UniqueFd open = open_file(pair.path("s/file0"), O_WRONLY | O_APPEND);
  const UniqueFd only_read = open_file(pair.path("s/file1"), O_RDONLY);
  const Finished mounted = pair.mirrorfs("s", "d", {}, "s");
  ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  EXPECT_NE(mounted.err.find("s/file0' since before the mount"), std::string::npos) << mounted.err;
  EXPECT_NE(mounted.err.find(std::to_string(::getpid())), std::string::npos) << mounted.err;
  EXPECT_EQ(mounted.err.find("file1"), std::string::npos) << mounted.err;
  EXPECT_NE(pair.log().find("s/file0' since before the mount"), std::string::npos);
  write_file(pair.path("s/new"), "through the mount");
  pair.wait("s");
  EXPECT_EQ(read_file(pair.path("d/new")), "through the mount");
  pair.unmount("s");
}

TEST_F(Guards, ASourceOnALowerLayerStaysTheSameAfterItsFirstWrite) {
  for (const char* name : {"lower", "upper", "work", "over"}) make_directory(pair.path(name));
  make_directory(pair.path("lower/s"));
  write_file(pair.path("lower/s/file"), "of the lower layer");
  const std::string layers = "lowerdir=" + pair.path("lower").string() +
                             ",upperdir=" + pair.path("upper").string() +
                             ",workdir=" + pair.path("work").string();
  run_or_throw({"mount", "-t", "overlay", "none", "-o", layers, pair.path("over")});
  pair.mount("over/s", "d");
  write_file(pair.path("m/new"), "the first write");
  pair.wait();
  pair.unmount();
  pair.mount("over/s", "d");
  write_file(pair.path("m/more"), "more");
  pair.wait();
  pair.unmount();
  EXPECT_EQ(pair.differences("over/s", "d"), "");
}

}  // namespace
}  // namespace mirrorfs::test
