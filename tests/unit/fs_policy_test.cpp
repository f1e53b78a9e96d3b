// The pure parts of the mount: credentials text, reserved name, data path, transport, creation
// mode.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>

#include "fs/handlers/creation.h"
#include "fs/handlers/credentials.h"
#include "fs/io_policy/open_decision.h"
#include "fs/nodes/kept_values.h"
#include "fs/nodes/recent_looks.h"
#include "fs/nodes/reserved_name.h"
#include "fs/nodes/written_sizes.h"
#include "fs/session/transport.h"

namespace mirrorfs::fs {
namespace {

using Groups = std::optional<std::vector<gid_t>>;

TEST(ParseGroups, FindsTheLineAmongOthers) {
  EXPECT_EQ(parse_groups("Name:\tx\nGid:\t1\t2\nGroups:\t4 24 4294967294 \nNStgid:\t7\n"),
            (Groups{{4, 24, 4294967294U}}));
}

TEST(KeptValues, OnlyFilesystemsThatKeepWhatTheyAreGiven) {
  EXPECT_TRUE(keeps_attributes(long{EXT4_SUPER_MAGIC}));
  EXPECT_TRUE(keeps_attributes(long{TMPFS_MAGIC}));
  EXPECT_FALSE(keeps_attributes(long{MSDOS_SUPER_MAGIC}));
  EXPECT_FALSE(keeps_attributes(long{NFS_SUPER_MAGIC}));
}

TEST(KeptValues, NanosecondsAreSeenFromATimeThatNoCoarserOneCouldBe) {
  EXPECT_TRUE(shows_nanoseconds({.tv_sec = 1, .tv_nsec = 123'456'789}));
  EXPECT_FALSE(shows_nanoseconds({.tv_sec = 1, .tv_nsec = 0}));
  EXPECT_FALSE(shows_nanoseconds({.tv_sec = 1, .tv_nsec = 123'456'700})) << "NTFS: 100 ns";
}

TEST(KeptValues, KernelsWithMultigrainTimestamps) {
  for (const char* const release : {"6.13.0", "6.18.44-fc-v657", "7.0", "6.13-rc1"}) {
    EXPECT_TRUE(stamps_finely(release)) << release;
  }
  for (const char* const release : {"6.12.9", "5.15.0-generic", "6", "6.", "", "next"}) {
    EXPECT_FALSE(stamps_finely(release)) << release;
  }
}

TEST(KeptValues, TimesThatSomeFilesystemCutsAreNotTrusted) {
  EXPECT_TRUE(is_within_every_range({.tv_sec = 1'700'000'000, .tv_nsec = 1}));
  EXPECT_FALSE(is_within_every_range({.tv_sec = -1, .tv_nsec = 0}));
  EXPECT_FALSE(is_within_every_range({.tv_sec = 2'147'483'647, .tv_nsec = 0})) << "2038";
}

std::unique_ptr<SeenAttributes> seen_with_size(std::uint64_t size) {
  auto seen = std::make_unique<SeenAttributes>();
  seen->metadata.size = size;
  return seen;
}

TEST(WrittenSizes, ALargeFileIsExpectedUntilManySmallOnesCame) {
  WrittenSizes sizes;
  const ObjectId one{1, 2, 3}, other{1, 4, 3};
  EXPECT_FALSE(sizes.expects_large(one));
  sizes.note(one, WrittenSizes::kLarge - 1);
  EXPECT_FALSE(sizes.expects_large(one));
  sizes.note(one, WrittenSizes::kLarge);
  EXPECT_TRUE(sizes.expects_large(one));
  EXPECT_FALSE(sizes.expects_large(other));
  for (int small = 0; small < 7; ++small) sizes.note(one, 0);
  EXPECT_TRUE(sizes.expects_large(one));
  sizes.note(one, 0);
  EXPECT_FALSE(sizes.expects_large(one));
}

TEST(WrittenSizes, TheDirectoryThatWasNotedLongestAgoGivesWay) {
  WrittenSizes sizes;
  for (std::uint64_t number = 0; number <= WrittenSizes::kMost; ++number) {
    sizes.note({1, number + 1, 3}, WrittenSizes::kLarge);
  }
  EXPECT_FALSE(sizes.expects_large({1, 1, 3}));
  EXPECT_TRUE(sizes.expects_large({1, 2, 3}));
}

TEST(RecentLooks, WhatWasTakenIsGone) {
  RecentLooks looks;
  looks.keep(NodeId{7}, seen_with_size(1));
  looks.keep(NodeId{7}, seen_with_size(2));
  const auto taken = looks.take(NodeId{7});
  ASSERT_NE(taken, nullptr);
  EXPECT_EQ(taken->metadata.size, 2U);
  EXPECT_EQ(looks.take(NodeId{7}), nullptr);
  EXPECT_EQ(looks.take(NodeId{8}), nullptr);
}

TEST(RecentLooks, TheOldestGivesWay) {
  RecentLooks looks;
  for (std::uint64_t id = 1; id <= RecentLooks::kMost; ++id) {
    looks.keep(NodeId{id}, seen_with_size(id));
  }
  looks.keep(NodeId{1}, looks.take(NodeId{1}));
  looks.keep(NodeId{1000}, seen_with_size(1000));
  EXPECT_EQ(looks.take(NodeId{2}), nullptr);
  EXPECT_NE(looks.take(NodeId{1}), nullptr);
  EXPECT_NE(looks.take(NodeId{3}), nullptr);
  EXPECT_NE(looks.take(NodeId{1000}), nullptr);
}

TEST(ParseGroups, NoGroupsAreNotNoLine) {
  EXPECT_EQ(parse_groups("Name:\tx\nGroups:\t \nNStgid:\t7\n"), Groups{std::vector<gid_t>{}});
  EXPECT_EQ(parse_groups("Name:\tx\n"), std::nullopt);
  EXPECT_EQ(parse_groups(""), std::nullopt);
}

TEST(ParseGroups, NameThatLooksLikeTheLineDoesNotCount) {
  EXPECT_EQ(parse_groups("Name:\tGroups:\t9\nGroups:\t4"), (Groups{{4}}));
}

TEST(ParseCapabilities, FindsTheEffectiveOnes) {
  EXPECT_EQ(parse_capabilities("Groups:\t4\nCapPrm:\t1\nCapEff:\t000001ffffffffff\nCapBnd:\t2\n"),
            0x1ffffffffffU);
  EXPECT_EQ(parse_capabilities("CapEff:\t0000000000000010"), 0x10U);
  EXPECT_EQ(parse_capabilities("CapEff:\tnone\n"), std::nullopt);
  EXPECT_EQ(parse_capabilities("CapEff:"), std::nullopt);
  EXPECT_EQ(parse_capabilities("CapPrm:\t1\n"), std::nullopt);
}

TEST(UserNamespace, MapsWhatOneOfItsLinesHas) {
  const char* const map = "         0     100000      65536\n       70000       1000          1\n";
  EXPECT_TRUE(is_mapped(map, 100000));
  EXPECT_TRUE(is_mapped(map, 165535));
  EXPECT_FALSE(is_mapped(map, 165536));
  EXPECT_TRUE(is_mapped(map, 1000));
  EXPECT_FALSE(is_mapped(map, 999));
  EXPECT_FALSE(is_mapped(map, 0)) << "that is its name inside";
  EXPECT_TRUE(is_mapped("0 0 4294967295", 4294967294)) << "of all";
  EXPECT_FALSE(is_mapped("", 0));
}

TEST(ReservedName, OnlyInTheRoot) {
  EXPECT_TRUE(is_reserved_name(true, ".mirrorfs"));
  EXPECT_FALSE(is_reserved_name(false, ".mirrorfs"));
  EXPECT_FALSE(is_reserved_name(true, ".mirrorfs2"));
}

TEST(SingleComponent, PathsAndDotsAreRefused) {
  EXPECT_TRUE(is_single_component("name"));
  EXPECT_TRUE(is_single_component("..."));
  for (const char* const bad : {"", ".", "..", "a/b", "/"}) EXPECT_FALSE(is_single_component(bad));
}

TEST(CreationMode, UmaskAppliesOnlyWithoutADefaultAcl) {
  const Caller caller{.umask = 027};
  EXPECT_EQ(creation_mode(caller, 0666, false), 0640U);
  EXPECT_EQ(creation_mode(caller, 0666, true), 0666U);
}

TEST(AccessModes, AreReadFromOpenFlags) {
  EXPECT_EQ(access_mode(O_RDONLY | O_TRUNC), AccessMode::kReadOnly);
  EXPECT_EQ(access_mode(O_WRONLY | O_APPEND), AccessMode::kWriteOnly);
  EXPECT_EQ(access_mode(O_RDWR | O_CREAT), AccessMode::kReadWrite);
}

constexpr DataPath kThrough = DataPath::kThroughDaemon;
constexpr DataPath kPass = DataPath::kPassthrough;
constexpr DataPath kDirect = DataPath::kPassthroughDirectIo;
constexpr AccessMode kReads = AccessMode::kReadOnly;
constexpr AccessMode kWrites = AccessMode::kWriteOnly;
constexpr AccessMode kBoth = AccessMode::kReadWrite;

/// Every open that is not excluded by something else.
OpenFacts facts(AccessMode access, OpenedAs opened_as) {
  return {.access = access, .opened_as = opened_as, .passthrough_available = true};
}

TEST(OpenPolicy, AllOpensOfAnInodeAgree) {
  const struct {
    AccessMode access;
    OpenedAs opened_as;
    OpenDecision decision;
  } cases[] = {
      {kReads, OpenedAs::kNotOpen, {kPass}},
      {kWrites, OpenedAs::kNotOpen, {kThrough}},
      {kBoth, OpenedAs::kNotOpen, {kThrough}},
      {kReads, OpenedAs::kCached, {kThrough}},
      {kWrites, OpenedAs::kCached, {kThrough}},
      {kBoth, OpenedAs::kCached, {kThrough}},
      {kReads, OpenedAs::kPassthrough, {kPass}},
      {kWrites, OpenedAs::kPassthrough, {kDirect}},
      {kBoth, OpenedAs::kPassthrough, {kDirect, Unseen::kMappings}},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(decide_open(facts(one.access, one.opened_as)), one.decision)
        << static_cast<int>(one.access) << " beside " << static_cast<int>(one.opened_as);
  }
}

TEST(OpenPolicy, WhatRulesPassthroughOutIsOneFact) {
  OpenFacts each[] = {facts(kReads, OpenedAs::kNotOpen), facts(kReads, OpenedAs::kNotOpen),
                      facts(kReads, OpenedAs::kNotOpen), facts(kReads, OpenedAs::kNotOpen),
                      facts(kReads, OpenedAs::kNotOpen)};
  each[0].passthrough_available = false;
  each[1].io = IoOption::kThrough;
  each[2].direct_io = true;
  each[3].truncates = true;
  each[4].was_updated = true;
  for (const OpenFacts& one : each) EXPECT_EQ(decide_open(one).path, kThrough) << &one - each;
}

/// cp, compilers, editors, tar.
OpenFacts whole_file() {
  OpenFacts open = facts(kWrites, OpenedAs::kNotOpen);
  open.creates = true;
  open.writes_show = true;
  open.expects_large = true;
  return open;
}

TEST(OpenPolicy, WhatWritesAWholeFileIsPassedAndCaptured) {
  OpenFacts open = whole_file();
  const OpenDecision passed{kPass, Unseen::kWrites};
  EXPECT_EQ(decide_open(open), passed);
  open.creates = false, open.truncates = true;
  EXPECT_EQ(decide_open(open), passed);
  open.mode = Mode::kFsync;
  EXPECT_EQ(decide_open(open), passed);
}

TEST(OpenPolicy, WhatRulesAWriterOutIsOneFact) {
  OpenFacts each[12];
  for (OpenFacts& one : each) one = whole_file();
  each[0].creates = false;
  each[1].appends = true;
  each[2].direct_io = true;
  each[3].synchronous = true;
  each[4].privileged = true;
  each[5].mode = Mode::kSync;
  each[6].writes_show = false;
  each[7].access = kBoth;
  each[8].was_updated = true;
  each[9].io = IoOption::kThrough;
  each[10].opened_as = OpenedAs::kCached;
  each[11].expects_large = false;
  for (const OpenFacts& one : each) {
    EXPECT_EQ(decide_open(one), OpenDecision{kThrough}) << &one - each;
  }
  OpenFacts beside = whole_file();
  beside.opened_as = OpenedAs::kPassthrough;
  EXPECT_EQ(decide_open(beside), OpenDecision{kDirect}) << "the daemon may as well see it";
}

TEST(OpenPolicy, BesidePassthroughNothingRulesItOut) {
  OpenFacts open = facts(kReads, OpenedAs::kPassthrough);
  open.was_updated = true;
  EXPECT_EQ(decide_open(open).path, kPass);
  open.direct_io = true;
  EXPECT_EQ(decide_open(open).path, kDirect);
}

TEST(TransportChoice, FollowsTheOptionAndWhatThereIs) {
  EXPECT_EQ(choose_transport("auto", true), Transport::kUring);
  EXPECT_EQ(choose_transport("auto", false), Transport::kDevice);
  EXPECT_EQ(choose_transport("dev", true), Transport::kDevice);
  EXPECT_EQ(choose_transport("uring", true), Transport::kUring);
  EXPECT_EQ(choose_transport("uring", false).error().code, ENOTSUP);
  EXPECT_EQ(choose_transport("pigeon", true).error().code, EINVAL);
}

}  // namespace
}  // namespace mirrorfs::fs
