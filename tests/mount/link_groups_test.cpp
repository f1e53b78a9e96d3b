// G1, G2: names of one object stay names of one object, whenever they were made.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

class LinkGroups : public testing::Test {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

/// A write that does not fit the queue: only that it happened is known, so the file gets a mark.
void write_past_the_queue(const MirrorMount& mirror, const Path& name, unsigned seed) {
  mirror.pause();
  write_file(mirror.mount(name), pattern(4 << 20, seed));
  mirror.resume();
}

/// The mount of a tree that was mirrored, and stopped cleanly, before; nothing is compared.
void start_knowing_nothing(MirrorMount& mirror) {
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  mirror.stop();
  mirror.start({"--check=none", "--queue-size=1M"});
}

TEST_F(LinkGroups, G2_AMarkedNameOfAGroupNobodyHasMetBringsTheOthersAlong) {
  MirrorMount mirror;
  make_directory(mirror.source("elsewhere"));
  write_file(mirror.source("first"), "old content");
  for (const char* name : {"second", "third", "elsewhere/fourth"}) {
    make_link(mirror.source("first"), mirror.source(name));
  }
  ASSERT_NO_FATAL_FAILURE(start_knowing_nothing(mirror));
  write_past_the_queue(mirror, "second", 1);
  EXPECT_TRUE(mirror.identical());
  // In place as well, by a name that nobody has used so far.
  append_to(mirror.mount("elsewhere/fourth"), "and more");
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_F(LinkGroups, G2_AnAttributeSetThroughOneNameReachesAllNames) {
  MirrorMount mirror({.replica = Filesystem::kExt4});
  write_file(mirror.source("first"), "content");
  make_link(mirror.source("first"), mirror.source("second"));
  ASSERT_NO_FATAL_FAILURE(start_knowing_nothing(mirror));
  run_or_throw({"chattr", "+i", mirror.replica("second").string()});
  change_mode(mirror.mount("first"), 0604);
  EXPECT_TRUE(eventually([&] { return mirror.status().marks > 0; })) << mirror.status().json;
  run_or_throw({"chattr", "-i", mirror.replica("second").string()});
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

unsigned names_wanted() {
  const char* const given = std::getenv("MIRRORFS_LINK_NAMES");
  return given != nullptr ? static_cast<unsigned>(std::stoul(given)) : 2'000;
}

/// ext4 has 65,000 names for an object and no more; tmpfs does not count. With
/// MIRRORFS_LINK_NAMES=65010 the replica needs a second object, which has to follow every change
/// too.
TEST_F(LinkGroups, G1_MoreNamesThanTheReplicaHasForAnObjectFollowAChange) {
  const unsigned names = names_wanted();
  const auto patience = std::chrono::seconds(120 + names / 50);
  MirrorMount mirror({.replica = Filesystem::kExt4, .patience = patience});
  write_file(mirror.source("name"), "old content");
  make_directory(mirror.source("more"));
  for (unsigned number = 1; number < names; ++number) {
    make_link(mirror.source("name"), mirror.source(fmt::format("more/{}", number)));
  }
  mirror.start();
  // That an object has become two is told.
  const auto compared = [&] {
    const Status status = mirror.status();
    return status.state == "in-sync" || status.state == "degraded";
  };
  ASSERT_TRUE(eventually(compared, patience)) << mirror.status().json;
  write_file(mirror.mount("name"), "new content");
  // It may take a while.
  const auto settled = [&] {
    const Status status = mirror.status();
    constexpr std::uint64_t kRefused = 10;  // a few of those that are refused a link stay marked
    return status.queued_ops == 0 && (status.state == "in-sync" || status.marks <= kRefused);
  };
  ASSERT_TRUE(eventually(settled, patience)) << mirror.status().json;
  std::set<ino_t> objects;
  unsigned old = 0;
  for (unsigned number = 0; number < names; ++number) {
    const Path name = number == 0 ? Path("name") : Path(fmt::format("more/{}", number));
    objects.insert(stat_of(mirror.replica(name)).st_ino);
    if (read_file(mirror.replica(name)) != "new content") ++old;
  }
  const Status status = mirror.status();
  fmt::print("{} names of {} objects, {} with the old content, {}\n", names, objects.size(), old,
             status.state);
  EXPECT_TRUE(old == 0 || status.marks > 0) << "nobody says so: " << status.json;
  EXPECT_LE(objects.size(), 1 + names / 65'000);
}

}  // namespace
}  // namespace mirrorfs::test
