// --exclude from the command line to the replica: mount, status, verify, sync, and the next mount.
#include <gtest/gtest.h>

#include <string>

#include "mirror_pair.h"
#include "tree_compare.h"

namespace mirrorfs::test {
namespace {

class Exclude : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    make_directory(pair.path("s/src"));
    make_directory(pair.path("s/build"));
    write_file(pair.path("s/src/a.c"), "c");
    write_file(pair.path("s/src/a.o"), "o");
    write_file(pair.path("s/build/out"), "out");
  }
  /// All that the replica has, one line each.
  [[nodiscard]] std::string on_replica() const {
    std::string paths;
    for (const auto& [path, facts] : snapshot(pair.path("d"))) paths += path + "\n";
    return paths;
  }
  [[nodiscard]] std::string status() const { return pair.ctl({"status", "--json", "m"}).out; }

  MirrorPair pair;
};

TEST_F(Exclude, LeavesOutWhatThePatternsMatchAndLeavesTheReplicaAloneThere) {
  write_file(pair.path("patterns"), "# made\n/build/\n");
  write_file(pair.path("d/own.o"), "own");
  pair.mount("s", "d",
             {"--adopt", "--exclude=*.o", "--exclude-from=" + pair.path("patterns").string()});
  make_directory(pair.path("m/more"));
  write_file(pair.path("m/more/b.c"), "b");
  write_file(pair.path("m/more/b.o"), "b");
  write_file(pair.path("m/build/later"), "later");
  rename_to(pair.path("m/build/later"), pair.path("m/src/later"));
  pair.wait();
  EXPECT_EQ(on_replica(), ".\nmore\nmore/b.c\nown.o\nsrc\nsrc/a.c\nsrc/later\n");
  EXPECT_NE(status().find(R"("exclude":["*.o","/build/"])"), std::string::npos) << status();
  EXPECT_EQ(pair.ctl({"verify", "--full", "m"}).exit_code, 0);
  unlink_file(pair.path("m/more/b.o"));
  unlink_file(pair.path("m/more/b.c"));
  write_file(pair.path("d/more/kept.o"), "kept");
  remove_directory(pair.path("m/more"));
  pair.wait();
  EXPECT_EQ(pair.ctl({"verify", "--full", "m"}).exit_code, 0);
  EXPECT_EQ(on_replica(), ".\nmore\nmore/kept.o\nown.o\nsrc\nsrc/a.c\nsrc/later\n");
  pair.unmount();
  // Nobody has to say them again.
  EXPECT_EQ(pair.ctl({"verify", "--full", "s", "d"}).exit_code, 0);
  EXPECT_EQ(pair.ctl({"sync", "s", "d"}).exit_code, 0);
  EXPECT_FALSE(is_there(pair.path("d/build")));
  // Others at the next mount, which was told to compare nothing.
  pair.mount("s", "d", {"--check=none", "--exclude=/build/"});
  pair.wait();
  EXPECT_EQ(on_replica(), ".\nsrc\nsrc/a.c\nsrc/a.o\nsrc/later\n");
  pair.unmount();
  EXPECT_EQ(pair.ctl({"sync", "--exclude=/src/", "s", "d"}).exit_code, 0);
  EXPECT_TRUE(is_there(pair.path("d/build/out")));
  EXPECT_EQ(pair.ctl({"verify", "s", "d"}).exit_code, 0);
}

TEST_F(Exclude, ABadFileOfPatternsIsNamedWithItsLine) {
  write_file(pair.path("patterns"), "*.o\n[broken\n");
  const Finished refused =
      pair.mirrorfs("s", "d", {"--exclude-from=" + pair.path("patterns").string()});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("patterns:2: '[broken'"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace mirrorfs::test
