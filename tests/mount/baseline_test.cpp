// G2: the baseline makes any replica equal, while the mount is already in use.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "mirror_mount.h"
#include "object_kinds.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

unsigned files_to_begin_with() {
  return std::getenv("MIRRORFS_LONG_TESTS") != nullptr ? 25'000 : 2'000;
}

class Baseline : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
  MirrorSetup pair() const { return {.source = GetParam(), .replica = GetParam()}; }
};

TEST_P(Baseline, CopiesWhatIsThere) {
  MirrorMount mirror(pair());
  make_many_files(mirror.source(), files_to_begin_with());
  for (const Kind kind : kAllKinds) make_object(kind, mirror.source(to_string(kind)));
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.rsync_finds_nothing());
  mirror.stop();
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_P(Baseline, IsRightWithEightWritersAtWork) {
  MirrorMount mirror(pair());
  make_many_files(mirror.source("tree"), files_to_begin_with());
  mirror.start();
  // Before any of them runs: the first of two may remove their place while the other makes it.
  for (unsigned place = 0; place < 4; ++place) {
    make_directory(mirror.mount("work" + std::to_string(place)));
  }
  Workers writers(8, [&](unsigned number) {
    // Half of them share a place; all of them also work on what the baseline is copying.
    RandomWriter own(mirror.mount("work" + std::to_string(number / 2)), number);
    RandomWriter old(mirror.mount("tree/group" + std::to_string(number) + "/set0"), number + 100);
    for (int round = 0; round < 10; ++round) {
      write_for(own, milliseconds(100));
      write_for(old, milliseconds(100));
    }
  });
  writers.join();
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.rsync_finds_nothing());
  mirror.stop();
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_P(Baseline, IsRightWhileDirectoriesMoveUnderIt) {
  MirrorMount mirror(pair());
  make_many_files(mirror.source("tree"), files_to_begin_with());
  mirror.start();
  Workers movers(8, [&](unsigned number) {
    const Path here = mirror.mount("tree/group" + std::to_string(number));
    const Path there = mirror.mount("moved" + std::to_string(number));
    for (int round = 0; round < 25; ++round) {
      rename_to(here, there);
      write_file(there / ("new" + std::to_string(round)), pattern(500, number));
      rename_to(there / "set0", here);
      rename_to(here, there / "set0");
      rename_to(there, here);
    }
  });
  movers.join();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_P(Baseline, CorrectsAnAdoptedReplica) {
  MirrorMount mirror(pair());
  const auto fill = [](const Path& root) {
    make_many_files(root / "same", 200);
    for (const Kind kind : kAllKinds) {
      make_directory(root / to_string(kind));
      make_object(kind, root / to_string(kind) / "object");
    }
  };
  fill(mirror.source());
  fill(mirror.replica());
  // Each kind against the next one: every pair of types meets somewhere.
  std::size_t next = 0;
  for (const Kind kind : kAllKinds) {
    const Kind other = kAllKinds.at(++next % kAllKinds.size());
    const std::string name = "conflict" + std::to_string(next);
    make_directory(mirror.source(name));
    make_directory(mirror.replica(name));
    make_object(kind, mirror.source(name) / "object");
    make_object(other, mirror.replica(name) / "object");
    make_directory(mirror.replica("extraneous" + name));
    make_object(kind, mirror.replica("extraneous" + name) / "object");
  }
  write_file(mirror.replica("same/stale"), "not on the source");
  write_at(mirror.replica("LargeFile/object"), 1'000'000, "stale bytes, same size");
  set_xattr(mirror.replica("SmallFile"), "user.extraneous", "1");
  mirror.start({"--adopt"});
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.rsync_finds_nothing());
  mirror.stop();
}

TEST_P(Baseline, FindsWhatWasChangedBehindItsBack) {
  MirrorMount mirror(pair());
  make_many_files(mirror.source("tree"), 300);
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.stop();
  write_file(mirror.source("tree/new on the source"), "new");
  append_to(mirror.source("tree/group0/set0/file1"), "longer");
  unlink_file(mirror.source("tree/group0/set0/file2"));
  write_file(mirror.replica("tree/new on the replica"), "extraneous");
  unlink_file(mirror.replica("tree/group0/set0/file4"));
  rename_to(mirror.replica("tree/group0/set0/file5"), mirror.replica("tree/elsewhere"));
  mirror.start();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_P(Baseline, FullCheckFindsWhatSizeAndTimeDoNotShow) {
  MirrorMount mirror(pair());
  write_file(mirror.source("file"), pattern(100'000, 1));
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.stop();
  const struct stat before = stat_of(mirror.replica("file"));
  write_at(mirror.replica("file"), 50'000, "rot");
  set_times(mirror.replica("file"), before.st_atim, before.st_mtim);
  mirror.start({"--check=full"});
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_P(Baseline, KeepsHolesAsHoles) {
  MirrorMount mirror(pair());
  write_file(mirror.source("sparse"), "");
  truncate_file(mirror.source("sparse"), 200'000'000);
  write_at(mirror.source("sparse"), 100'000'000, pattern(1'000'000, 1));
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  write_file(mirror.mount("live"), "");
  truncate_file(mirror.mount("live"), 200'000'000);
  write_at(mirror.mount("live"), 150'000'000, pattern(1'000'000, 2));
  EXPECT_TRUE(mirror.identical());
  for (const char* name : {"sparse", "live"}) {
    const auto blocks = stat_of(mirror.source(name)).st_blocks;
    EXPECT_NEAR(static_cast<double>(stat_of(mirror.replica(name)).st_blocks),
                static_cast<double>(blocks), 0.05 * static_cast<double>(blocks) + 64)
        << name;
  }
  mirror.stop();
}

INSTANTIATE_TEST_SUITE_P(G2, Baseline,
                         testing::Values(Filesystem::kTmpfs, Filesystem::kExt4, Filesystem::kXfs,
                                         Filesystem::kBtrfs),
                         [](const auto& test) { return to_string(test.param); });

TEST(BaselineAcrossFilesystems, SourceAndReplicaMayBeOfDifferentKinds) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror({.source = Filesystem::kXfs, .replica = Filesystem::kBtrfs});
  make_many_files(mirror.source("tree"), 500);
  mirror.start();
  RandomWriter writer(mirror.mount("tree"), 1);
  write_for(writer, milliseconds(500));
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.rsync_finds_nothing());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
