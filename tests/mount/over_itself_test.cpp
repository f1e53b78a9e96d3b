// The mount may cover its own source, and paths may be written in any way.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <chrono>
#include <filesystem>
#include <iterator>

#include "mirror_mount.h"
#include "tree_compare.h"
#include "workload.h"

namespace mirrorfs::test {
namespace {

class OverItself : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

TEST_F(OverItself, MirrorsAndThenShowsTheSourceAgain) {
  MirrorMount mirror({.over_itself = true});
  make_many_files(mirror.source("tree"), 300);
  mirror.start();
  write_file(mirror.mount("through the mount"), "content");
  RandomWriter writer(mirror.mount("tree"), 5);
  write_for(writer, milliseconds(500));
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.mount_shows_source());
  EXPECT_TRUE(mirror.rsync_finds_nothing());
  const Snapshot before = snapshot(mirror.mount());
  mirror.stop();
  EXPECT_EQ(differences(before, snapshot(mirror.mount())), std::vector<std::string>());
  EXPECT_TRUE(mirror.trees_equal());
}

TEST_F(OverItself, MountsAgainAfterAStopAndAfterACrash) {
  MirrorMount mirror({.over_itself = true});
  mirror.start();
  write_file(mirror.mount("first"), "1");
  mirror.stop();
  mirror.start();
  write_file(mirror.mount("second"), "2");
  mirror.crash();
  EXPECT_EQ(read_file(mirror.mount("second")), "2");
  mirror.start();
  write_file(mirror.mount("third"), "3");
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

// Whoever looks at ".." in the source comes back up into the mount: the daemon would ask itself.
TEST_F(OverItself, ListingsDoNotAskTheDaemonForItself) {
  MirrorMount mirror(
      {.options = {"--attr-timeout=0"}, .over_itself = true, .patience = std::chrono::seconds(15)});
  make_directory(mirror.source("dir"));
  write_file(mirror.source("dir/file"), "x");
  mirror.start();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(mirror.mount("dir")), {}), 1);
  mirror.stop();
}

TEST_F(OverItself, TheDaemonisedFormToo) {
  MirrorMount mirror({.over_itself = true, .daemonised = true});
  make_many_files(mirror.source("tree"), 100);
  mirror.start();
  write_file(mirror.mount("file"), pattern(1'000'000, 1));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
  EXPECT_TRUE(mirror.trees_equal());
}

/// How the three directories may be written.
struct Spelling {
  const char* name;
  const char* source;
  const char* replica;
  const char* mount;
};

class Spellings : public testing::TestWithParam<Spelling> {};

TEST_P(Spellings, AreUnderstood) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const TempDir base;
  for (const char* name : {"s", "d", "m", "state", "odd name, with comma"}) {
    make_directory(base.path() / name);
  }
  make_symlink("m", base.path() / "link to m");
  write_file(base.path() / "s" / "file", "content");
  const RunOptions here = {.directory = base.path()};
  const Spelling& spelling = GetParam();
  run_or_throw({MIRRORFS_PROGRAM, "--state-dir=state", "--log-file=log", spelling.source,
                spelling.replica, spelling.mount},
               here);
  write_file(base.path() / spelling.mount / "new", "new");
  run_or_throw({MIRRORCTL_PROGRAM, "wait", spelling.mount, "--timeout=20"}, here);
  run_or_throw({MIRRORCTL_PROGRAM, "verify", "--full", spelling.mount}, here);
  const Path source = spelling.source == std::string("s/.") ? "s" : spelling.source;
  check(::umount2((base.path() / spelling.mount).c_str(), 0), "umount", spelling.mount);
  EXPECT_TRUE(eventually(
      [&] { return compare_trees(base.path() / source, base.path() / spelling.replica).empty(); }));
  // The daemon is a child of this process (a subreaper) and ends after the drain.
  EXPECT_TRUE(eventually([&] {
    return run({MIRRORCTL_PROGRAM, "status", spelling.mount, "--json"}, here).exit_code != 0;
  }));
}

INSTANTIATE_TEST_SUITE_P(
    Paths, Spellings,
    testing::Values(Spelling{"Relative", "s", "d", "m"},
                    Spelling{"TrailingSlashes", "s/", "d//", "m/"},
                    Spelling{"Dots", "./s", "s/../d", "./m/."},
                    Spelling{"DotAtTheEnd", "s/.", "d/.", "m"},
                    Spelling{"SpacesAndCommas", "s", "odd name, with comma", "m"},
                    Spelling{"MountPointIsALink", "s", "d", "link to m"},
                    Spelling{"OddMountPoint", "s", "d", "odd name, with comma"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace mirrorfs::test
