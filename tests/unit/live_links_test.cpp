// G2: an object of the replica that is known to be the copy of one source object is not taken for
// that of another where a walk meets it under a name too many.
#include <gtest/gtest.h>

#include "engine/state/link_names.h"
#include "live_fixture.h"

namespace mirrorfs::testing {
namespace {

class LiveLinks : public LiveTest {};

/// As after names that moved on the replica between two readings. The mutant: a walk that takes
/// what stands there, and writes to what other names have.
TEST_F(LiveLinks, G2AWalkDoesNotTakeTheCopyOfAnother) {
  start();
  expect_equal();
  ASSERT_TRUE(driver_->mkdir("p"));
  ASSERT_TRUE(driver_->create("p/x"));
  ASSERT_TRUE(driver_->write("p/x", 0, "another"));
  ASSERT_TRUE(driver_->link("p/x", "p/y"));
  expect_equal();
  std::filesystem::create_directory(source_ / "q");
  put_source("q/z", "one");
  std::filesystem::create_hard_link(source_ / "q/z", source_ / "q/w");
  std::filesystem::create_directory(replica_ / "q");
  for (const char* name : {"q/z", "q/w"}) {
    std::filesystem::create_hard_link(replica_ / "p/x", replica_ / name);
  }
  ASSERT_TRUE(driver_->create("q/new"));
  expect_equal();
  EXPECT_EQ(replica_content("p/x"), "another");
  EXPECT_EQ(replica_content("q/z"), "one");
  EXPECT_TRUE(stop());
}

ObjectId object(std::uint64_t inode) { return {.device = 1, .inode = inode}; }

TEST(LinkCopies, AreKnownForAsLongAsANameIs) {
  state::LinkNames links;
  const Location first{object(1), "first"}, second{object(1), "second"};
  links.set_copy(object(7), object(70));
  EXPECT_EQ(links.owner_of(object(70)), std::nullopt) << "no name is known";
  links.add(object(7), first);
  links.add(object(7), second);
  links.set_copy(object(7), object(70));
  EXPECT_EQ(links.owner_of(object(70)), object(7));
  links.release(first);
  EXPECT_EQ(links.owner_of(object(70)), object(7));
  links.release_directory(object(1));
  EXPECT_EQ(links.owner_of(object(70)), std::nullopt);
}

TEST(LinkCopies, StayWhenTheOnlyKnownNameMoves) {
  state::LinkNames links;
  const Location first{object(1), "first"}, second{object(1), "second"}, third{object(1), "third"};
  links.add(object(7), first);
  links.set_copy(object(7), object(70));
  links.rename(object(7), first, second);
  EXPECT_EQ(links.owner_of(object(70)), object(7));
  links.add(object(8), third);
  links.set_copy(object(8), object(80));
  links.exchange(object(7), second, object(8), third);
  EXPECT_TRUE(links.has(object(7), third));
  EXPECT_TRUE(links.has(object(8), second));
  EXPECT_EQ(links.owner_of(object(70)), object(7));
  EXPECT_EQ(links.owner_of(object(80)), object(8));
}

TEST(LinkCopies, BelongToOne) {
  state::LinkNames links;
  links.add(object(7), {object(1), "first"});
  links.add(object(8), {object(1), "second"});
  links.set_copy(object(7), object(70));
  links.set_copy(object(7), object(71));
  EXPECT_EQ(links.owner_of(object(70)), std::nullopt) << "another is the copy now";
  links.set_copy(object(8), object(71));
  EXPECT_EQ(links.owner_of(object(71)), object(8));
  links.release({object(1), "first"});
  EXPECT_EQ(links.owner_of(object(71)), object(8));
}

}  // namespace
}  // namespace mirrorfs::testing
