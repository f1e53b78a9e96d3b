#include "fs/nodes/birth.h"

#include <gtest/gtest.h>
#include <linux/magic.h>

namespace mirrorfs::fs {
namespace {

constexpr long kXfs = 0x58465342;
constexpr long kNfs = NFS_SUPER_MAGIC;

TEST(Birth, IdentitiesMayRepeatWhereNumbersDoAndTimesAreCoarse) {
  EXPECT_TRUE(may_repeat_identity(kXfs, "6.12.3-amd64"));
  EXPECT_TRUE(may_repeat_identity(EXT4_SUPER_MAGIC, "5.10.0-1"));
  EXPECT_FALSE(may_repeat_identity(kXfs, "6.13.0"));
  EXPECT_FALSE(may_repeat_identity(EXT4_SUPER_MAGIC, "7.0"));
  EXPECT_FALSE(may_repeat_identity(TMPFS_MAGIC, "6.1.0"));
  EXPECT_FALSE(may_repeat_identity(BTRFS_SUPER_MAGIC, "6.1.0"));
  EXPECT_TRUE(may_repeat_identity(kNfs, "6.18.0"));
  EXPECT_TRUE(may_repeat_identity(kXfs, "unknown"));
}

TEST(Birth, WaitingEndsInALaterTick) {
  timespec birth{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &birth);
  wait_until_after(birth);
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  EXPECT_TRUE(now.tv_sec > birth.tv_sec || now.tv_nsec > birth.tv_nsec);
}

}  // namespace
}  // namespace mirrorfs::fs
