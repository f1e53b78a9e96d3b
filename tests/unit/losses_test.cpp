// G9: what a filesystem cannot hold has names, and is asked for by trying it out.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "engine/journal/pair_record.h"
#include "engine/replica/probe.h"
#include "failing_replica_fixture.h"
#include "mirrorfs/capabilities.h"
#include "temporary_directory.h"

namespace mirrorfs::testing {
namespace {

using ::testing::IsEmpty;

TEST(Losses, AreReadAndWrittenByTheirNames) {
  EXPECT_EQ(parse_losses("owner,mode"), (Losses{Loss::kOwner, Loss::kMode}));
  EXPECT_EQ(parse_losses("times:links"), (Losses{Loss::kTimes, Loss::kLinks}));
  EXPECT_EQ(parse_losses("owner,mode,xattr,acl,times,links,special")->text(),
            "owner,mode,xattr,acl,times,links,special");
  for (const char* wrong : {"", "owner,", ",owner", "owners", "owner mode", "all"}) {
    EXPECT_EQ(parse_losses(wrong), std::nullopt) << wrong;
  }
}

TEST(TimeForm, TellsWhatIsHeldAndWhatBecomesOfTheRest) {
  const TimeForm seconds{.granularity = 2'000'000'000, .earliest = 0, .latest = 1000};
  EXPECT_TRUE(seconds.holds({.tv_sec = 4, .tv_nsec = 0}));
  EXPECT_FALSE(seconds.holds({.tv_sec = 5, .tv_nsec = 0}));
  EXPECT_FALSE(seconds.holds({.tv_sec = 4, .tv_nsec = 1}));
  EXPECT_FALSE(seconds.holds({.tv_sec = 1002, .tv_nsec = 0}));
  EXPECT_TRUE(seconds.may_become({.tv_sec = 5, .tv_nsec = 1}, {.tv_sec = 4, .tv_nsec = 0}));
  EXPECT_FALSE(seconds.may_become({.tv_sec = 6, .tv_nsec = 1}, {.tv_sec = 4, .tv_nsec = 0}));
  EXPECT_TRUE(seconds.may_become({.tv_sec = 5000, .tv_nsec = 1}, {.tv_sec = 1000, .tv_nsec = 0}));
  EXPECT_FALSE(seconds.may_become({.tv_sec = 5000, .tv_nsec = 1}, {.tv_sec = 900, .tv_nsec = 0}));
  const TimeForm hundred{.granularity = 100};
  EXPECT_TRUE(hundred.holds({.tv_sec = 4, .tv_nsec = 300}));
  EXPECT_FALSE(hundred.holds({.tv_sec = 4, .tv_nsec = 301}));
  const TimeForm exact;
  EXPECT_FALSE(exact.may_become({.tv_sec = 4, .tv_nsec = 1}, {.tv_sec = 4, .tv_nsec = 0}));
  const TimeForm none{.settable = false};
  EXPECT_TRUE(none.may_become({.tv_sec = 4, .tv_nsec = 0}, {.tv_sec = 9, .tv_nsec = 0}));
  EXPECT_FALSE(none.may_become({.tv_sec = 9, .tv_nsec = 0}, {.tv_sec = 4, .tv_nsec = 0}));
}

TEST(PairRecord, KeepsWhatWasFoundAndWhatIsTolerated) {
  journal::PairRecord record;
  record.pair_id = "id";
  EXPECT_FALSE(journal::pair_record_from(to_text(record))->capabilities) << "not asked yet";
  Capabilities found;
  found.exact = found.owners = found.acls = found.symlink_owners = found.symlink_times = false;
  found.times = {.granularity = 100, .earliest = -5, .latest = 7, .clamps = false};
  found.longest_name = 143;
  record.capabilities = found;
  record.tolerated = {Loss::kOwner, Loss::kTimes};
  const auto read = journal::pair_record_from(to_text(record));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->capabilities, found);
  EXPECT_EQ(read->tolerated, record.tolerated);
}

class ProbeTest : public FailingReplicaTest {
 protected:
  [[nodiscard]] Capabilities probe() const {
    const UniqueFd folder(::open(replica_.c_str(), O_RDONLY | O_DIRECTORY));
    auto found = replica::probe(folder.get(), objects::Rights::current());
    EXPECT_TRUE(found) << found.error().message();
    EXPECT_TRUE(std::filesystem::is_empty(replica_)) << "the probe leaves nothing";
    return found.value_or(Capabilities());
  }
  [[nodiscard]] FailingFilesystem::Bends& bends() { return filesystem_->bends(); }
};

/// The mutant: a probe that believes success.
TEST_F(ProbeTest, G9WhatIsIgnoredWithSuccessIsFound) {
  EXPECT_THAT(probe().losses().names(), IsEmpty());
  EXPECT_FALSE(probe().exact) << "a driver may map any value: it is read back";
  bends().ignores_owner = true;
  EXPECT_EQ(probe().losses().text(), "owner");
  bends().ignores_owner = false;
  bends().ignores_mode = true;
  EXPECT_EQ(probe().losses().text(), "mode");
}

TEST_F(ProbeTest, G9WhatIsRefusedIsFound) {
  filesystem_->refuse(FailingFilesystem::kOwner, EPERM);
  filesystem_->refuse(FailingFilesystem::kMode, ENOSYS);
  filesystem_->refuse(FailingFilesystem::kXattr, EOPNOTSUPP);
  bends().no_links = bends().no_special = true;
  EXPECT_EQ(probe().losses().text(), "owner,mode,xattr,acl,links,special");
  filesystem_->refuse(FailingFilesystem::kTimes, ENOSYS);
  EXPECT_TRUE(probe().losses().contains(Loss::kTimes));
}

/// The mutant: a probe with a symlink that leads nowhere.
TEST_F(ProbeTest, G9AServerThatFollowsSymlinksIsFound) {
  bends().follows_symlinks = true;
  const Capabilities found = probe();
  EXPECT_EQ(found.losses().text(), "owner,times");
  EXPECT_TRUE(found.owners && found.times.settable && found.symlinks);
  const Fidelity fidelity{.replica = found, .tolerated = found.losses()};
  EXPECT_TRUE(fidelity.leaves_out_owner(S_IFLNK) && fidelity.leaves_out_times(S_IFLNK));
  EXPECT_FALSE(fidelity.leaves_out_owner(S_IFREG) || fidelity.leaves_out_times(S_IFDIR));
}

TEST_F(ProbeTest, AFullDiskIsNoLoss) {
  filesystem_->refuse(FailingFilesystem::kXattr, ENOSPC);
  EXPECT_TRUE(probe().acls);
}

TEST_F(ProbeTest, GranularityAndRangeOfTimes) {
  bends().seconds_of_times = 1;
  EXPECT_EQ(probe().times.granularity, 1'000'000'000);
  bends().seconds_of_times = 2;
  EXPECT_EQ(probe().times.granularity, 2'000'000'000);
  EXPECT_EQ(probe().losses().text(), "times");
  bends().seconds_of_times = 0;
  bends().latest = 2'147'483'647;
  EXPECT_EQ(probe().times.latest, 2'147'483'647);
  EXPECT_TRUE(probe().times.clamps);
  EXPECT_THAT(probe().losses().names(), IsEmpty()) << "a range that ends is no loss by itself";
}

TEST_F(ProbeTest, Names) {
  EXPECT_FALSE(probe().folds_case);
  EXPECT_EQ(probe().longest_name, 255U);
  EXPECT_TRUE(probe().any_name);
  bends().folds_case = true;
  bends().longest_name = 143;
  EXPECT_TRUE(probe().folds_case);
  EXPECT_EQ(probe().longest_name, 143U);
}

TEST(Probe, AnOrdinaryFilesystemHoldsEverythingExactly) {
  const TemporaryDirectory place;
  std::filesystem::create_directories(place.path() / "probe");
  std::ofstream(place.path() / "probe/left") << "by a probe that was killed";
  const UniqueFd folder(::open(place.path().c_str(), O_RDONLY | O_DIRECTORY));
  const objects::Rights rights = objects::Rights::current();
  const auto found = replica::probe(folder.get(), rights);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT(replica::losses_that_matter(*found, folder.get(), rights).names(), IsEmpty());
  EXPECT_TRUE(found->exact);
  EXPECT_EQ(found->longest_name, 255U);
  EXPECT_TRUE(found->any_name);
  EXPECT_TRUE(std::filesystem::is_empty(place.path()));
}

}  // namespace
}  // namespace mirrorfs::testing
