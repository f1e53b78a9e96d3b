// A pair of trees for one command: what is refused, and what one sync leaves for the next.
#include "mirrorfs/tree_pair.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

using ::testing::HasSubstr;

class TreePairs : public TreeTest {
 protected:
  [[nodiscard]] auto open(bool for_change) const {
    return TreePair::open({.source = source_, .replica = replica_, .for_change = for_change});
  }
};

TEST_F(TreePairs, APairOpenedForReadingIsNotChanged) {
  write_file(source_ / "file", "content");
  // Or the roots differ too, unless they were made within one tick of the clock.
  set_mtime(source_, 1'000'000'000);
  set_mtime(replica_, 1'000'000'000);
  const auto pair = open(false);
  ASSERT_TRUE(pair) << pair.error();
  const auto repaired = (*pair)->verify({.repair = true});
  ASSERT_FALSE(repaired);
  EXPECT_EQ(repaired.error().code, EINVAL);
  const auto synced = (*pair)->sync({});
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code, EINVAL);
  SyncOptions dry_run;
  dry_run.dry_run = true;
  const auto planned = (*pair)->sync(dry_run);
  ASSERT_TRUE(planned) << planned.error().message();
  EXPECT_EQ(planned->planned.size(), 1U);
  EXPECT_TRUE(fs::is_empty(replica_));
}

TEST_F(TreePairs, G8OneAtATime) {
  const auto first = open(true);
  ASSERT_TRUE(first) << first.error();
  const auto second = open(true);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), HasSubstr("in use by another mirrorfs"));
}

TEST_F(TreePairs, G8NeitherInsideTheOther) {
  replica_ = source_ / "inside";
  fs::create_directory(replica_);
  const auto pair = open(true);
  ASSERT_FALSE(pair);
  EXPECT_THAT(pair.error(), HasSubstr("lies inside"));
  EXPECT_TRUE(fs::is_empty(replica_));
}

TEST_F(TreePairs, ASyncMakesTheTreesEqualAndTheNextFindsNothing) {
  fs::create_directory(source_ / "folder");
  write_file(source_ / "folder" / "file", "content");
  for (const std::uint64_t copied : {1U, 0U}) {
    const auto pair = open(true);
    ASSERT_TRUE(pair) << pair.error();
    const auto report = (*pair)->sync({});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_TRUE(report->failures.empty());
    EXPECT_EQ(report->files_copied, copied);
    const auto verified = (*pair)->verify({.full = true});
    ASSERT_TRUE(verified) << verified.error().message();
    EXPECT_TRUE(verified->identical());
  }
}

}  // namespace
}  // namespace mirrorfs::testing
