// G2: hard link groups are the same on both sides.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

class TreeHardlinks : public TreeTest {};

TEST_F(TreeHardlinks, GroupsAcrossDirectories) {
  fs::create_directories(source_ / "a" / "b");
  fs::create_directories(source_ / "z");
  write_file(source_ / "a" / "file", "content");
  fs::create_hard_link(source_ / "a" / "file", source_ / "a" / "b" / "second");
  fs::create_hard_link(source_ / "a" / "file", source_ / "z" / "third");
  fs::create_hard_link(source_ / "a" / "file", source_ / "fourth");
  sync_and_expect_equal();
  EXPECT_EQ(status_of(replica_ / "fourth").st_nlink, 4U);
}

TEST_F(TreeHardlinks, LinkedOnTheSourceOnly) {
  write_file(source_ / "a", "x");
  fs::create_hard_link(source_ / "a", source_ / "b");
  write_file(replica_ / "a", "x");
  write_file(replica_ / "b", "x");
  copy_mtime(source_ / "a", replica_ / "a");
  copy_mtime(source_ / "a", replica_ / "b");
  EXPECT_FALSE(verify().identical());
  sync_and_expect_equal();
}

TEST_F(TreeHardlinks, LinkedOnTheReplicaOnly) {
  write_file(source_ / "a", "x");
  write_file(source_ / "b", "x");
  copy_mtime(source_ / "a", source_ / "b");
  write_file(replica_ / "a", "x");
  fs::create_hard_link(replica_ / "a", replica_ / "b");
  copy_mtime(source_ / "a", replica_ / "a");
  EXPECT_FALSE(verify().identical());
  sync_and_expect_equal();
}

TEST_F(TreeHardlinks, GroupsCrossed) {
  write_file(source_ / "a1", "first");
  fs::create_hard_link(source_ / "a1", source_ / "a2");
  write_file(source_ / "b1", "other");
  fs::create_hard_link(source_ / "b1", source_ / "b2");
  write_file(replica_ / "a1", "first");
  fs::create_hard_link(replica_ / "a1", replica_ / "b2");
  write_file(replica_ / "b1", "other");
  fs::create_hard_link(replica_ / "b1", replica_ / "a2");
  sync_and_expect_equal();
}

TEST_F(TreeHardlinks, ContentOfAGroupIsUpdatedOnce) {
  write_file(source_ / "a", "old content");
  fs::create_hard_link(source_ / "a", source_ / "b");
  sync_and_expect_equal();
  const ino_t before = status_of(replica_ / "a").st_ino;
  write_file(source_ / "a", "new");
  EXPECT_TRUE(verify({.repair = true}).failures.empty());
  EXPECT_EQ(status_of(replica_ / "b").st_ino, before) << "identity is kept";
  expect_equal();
  write_file(source_ / "a", "once more");
  EXPECT_EQ(sync().files_copied, 1U);
  expect_equal();
}

TEST_F(TreeHardlinks, ThatLeaveOrJoinAGroup) {
  write_file(source_ / "a", "x");
  fs::create_hard_link(source_ / "a", source_ / "b");
  fs::create_hard_link(source_ / "a", source_ / "c");
  sync_and_expect_equal();
  fs::remove(source_ / "b");
  write_file(source_ / "b", "on its own");
  fs::create_hard_link(source_ / "a", source_ / "d");
  sync_and_expect_equal();
}

TEST_F(TreeHardlinks, OfSymlinksAndFifos) {
  fs::create_symlink("target", source_ / "link1");
  fs::create_hard_link(source_ / "link1", source_ / "link2");
  ASSERT_EQ(::mkfifo((source_ / "fifo1").c_str(), 0600), 0);
  fs::create_hard_link(source_ / "fifo1", source_ / "fifo2");
  sync_and_expect_equal();
}

TEST_F(TreeHardlinks, ManyGroupsAtOnce) {
  fs::create_directory(source_ / "one");
  fs::create_directory(source_ / "two");
  for (int i = 0; i < 300; ++i) {
    const std::string name = std::to_string(i);
    write_file(source_ / "one" / name, name);
    fs::create_hard_link(source_ / "one" / name, source_ / "two" / name);
  }
  sync_and_expect_equal();
}

TEST_F(TreeHardlinks, OverATypeConflict) {
  write_file(source_ / "a", "x");
  fs::create_hard_link(source_ / "a", source_ / "b");
  fs::create_directory(replica_ / "b");
  write_file(replica_ / "b" / "inner", "y");
  sync_and_expect_equal();
}

}  // namespace
}  // namespace mirrorfs::testing
