// The mount as the upper directory of an overlay, as container storage uses it: what is removed or
// moved there leaves whiteouts (RENAME_WHITEOUT, a device 0:0), which the replica gets as well.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "as_user.h"
#include "calls.h"
#include "mirror_pair.h"

namespace mirrorfs::test {
namespace {

constexpr uid_t kUser = 1234;

bool is_whiteout(const Path& path) {
  if (!is_there(path)) return false;
  const struct stat found = stat_of(path);
  return S_ISCHR(found.st_mode) && found.st_rdev == 0;
}

class Overlay : public testing::Test {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  void TearDown() override { ::umount2(pair.path("merged").c_str(), MNT_DETACH); }

  void lay_over() const {
    for (const char* place : {"merged", "m/upper", "m/work"}) make_directory(pair.path(place));
    const std::string options = "lowerdir=" + pair.path("lower").string() +
                                ",upperdir=" + pair.path("m/upper").string() +
                                ",workdir=" + pair.path("m/work").string();
    check(::mount("overlay", pair.path("merged").c_str(), "overlay", 0, options.c_str()), "mount",
          "overlay");
  }

  MirrorPair pair;
};

TEST_F(Overlay, WhatIsRemovedAndMovedInItIsMirrored) {
  for (const char* file : {"kept", "gone", "moved", "changed", "dir/a", "dir/b"}) {
    const Path place = pair.path("lower") / file;
    std::filesystem::create_directories(place.parent_path());
    write_file(place, file);
  }
  pair.mount();
  lay_over();
  unlink_file(pair.path("merged/gone"));
  rename_to(pair.path("merged/moved"), pair.path("merged/there"));
  write_file(pair.path("merged/changed"), "changed since");
  write_file(pair.path("merged/new"), "new");
  rename_to(pair.path("merged/new"), pair.path("merged/dir/new"));
  std::filesystem::remove_all(pair.path("merged/dir"));
  make_directory(pair.path("merged/dir"));
  write_file(pair.path("merged/dir/c"), "c");
  check(::umount2(pair.path("merged").c_str(), 0), "umount", "merged");
  pair.wait();
  EXPECT_TRUE(is_whiteout(pair.path("d/upper/gone")));
  EXPECT_TRUE(is_whiteout(pair.path("d/upper/moved")));
  EXPECT_EQ(read_file(pair.path("d/upper/there")), "moved");
  EXPECT_EQ(read_file(pair.path("d/upper/changed")), "changed since");
  EXPECT_EQ(read_file(pair.path("d/upper/dir/c")), "c");
  EXPECT_EQ(pair.ctl({"verify", "--full", "m"}).exit_code, 0);
  pair.unmount();
}

TEST_F(Overlay, AWhiteoutBelongsToWhoAskedForIt) {
  pair.mount();
  make_directory(pair.path("m/dir"));
  change_mode(pair.path("m/dir"), 0777);
  {
    const AsUser user(kUser);
    write_file(pair.path("m/dir/old"), "x");
    rename_to(pair.path("m/dir/old"), pair.path("m/dir/new"), RENAME_WHITEOUT);
  }
  pair.wait();
  for (const char* side : {"s", "m", "d"}) {
    const Path place = pair.path(side) / "dir/old";
    EXPECT_TRUE(is_whiteout(place)) << side;
    EXPECT_EQ(stat_of(place).st_uid, kUser) << side;
  }
  pair.unmount();
}

}  // namespace
}  // namespace mirrorfs::test
