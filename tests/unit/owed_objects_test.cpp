// G1: what is owed to objects with several names.
#include "engine/state/owed_objects.h"

#include <gtest/gtest.h>

namespace mirrorfs::state {
namespace {

const ObjectId kObject{.device = 1, .inode = 7, .birth_ns = 0};

TEST(OwedObjectsG1, AnOperationIsOwedUntilTheObjectIsReadAfterIt) {
  OwedObjects owed;
  owed.add(kObject, {5});
  owed.read(kObject, {4});
  EXPECT_EQ(owed.size(), 1U);
  owed.read(kObject, {5});
  EXPECT_EQ(owed.size(), 0U);
}

TEST(OwedObjectsG1, NamesThatAreNotKnownAreOwedUntilTheyAreMet) {
  OwedObjects owed;
  owed.walk_begins();
  owed.know_names(kObject, 3, 1);
  owed.know_names(kObject, 3, 2);
  EXPECT_EQ(owed.size(), 1U);
  owed.know_names(kObject, 3, 3);
  EXPECT_EQ(owed.size(), 0U);
}

TEST(OwedObjectsG1, OnlyAWalkThatBeganLaterTellsThatTheyAreOutside) {
  OwedObjects owed;
  owed.walk_begins();
  owed.know_names(kObject, 2, 1);
  owed.walked({0});
  EXPECT_EQ(owed.size(), 1U) << "that walk may have met the other name when it was the only one";
  owed.walk_begins();
  owed.know_names(kObject, 2, 1);
  owed.walked({0});
  EXPECT_EQ(owed.size(), 0U);
  owed.know_names(kObject, 2, 1);
  EXPECT_EQ(owed.size(), 0U) << "as many as are outside";
  owed.know_names(kObject, 3, 1);
  EXPECT_EQ(owed.size(), 1U) << "one more";
}

/// A walk that meets them one by one passes through how many were outside before.
TEST(OwedObjectsG1, FewerOutsideThanBeforeAreTold) {
  OwedObjects owed;
  for (int walk = 0; walk < 2; ++walk) {
    owed.walk_begins();
    owed.know_names(kObject, 3, 1);
    owed.walked({0});
  }
  ASSERT_EQ(owed.size(), 0U);
  owed.know_names(kObject, 3, 2);
  EXPECT_EQ(owed.size(), 1U) << "one of them is known now";
  for (int walk = 0; walk < 2; ++walk) {
    owed.walk_begins();
    owed.know_names(kObject, 3, 1);
    owed.know_names(kObject, 3, 2);
    owed.walked({0});
  }
  EXPECT_EQ(owed.size(), 0U);
}

TEST(OwedObjectsG1, ANameThatIsLostIsNotOutside) {
  OwedObjects owed;
  owed.walk_begins();
  owed.know_names(kObject, 2, 1);
  owed.know_names(kObject, 1, 1);
  EXPECT_EQ(owed.size(), 0U);
  owed.walk_begins();
  owed.walked({0});
  owed.know_names(kObject, 2, 1);
  EXPECT_EQ(owed.size(), 1U);
}

}  // namespace
}  // namespace mirrorfs::state
