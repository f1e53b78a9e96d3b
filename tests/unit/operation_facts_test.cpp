// What the dispatcher reads off an operation must agree with the claims it takes for it.
#include "engine/stream/operation_facts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/stream/claims.h"

namespace mirrorfs::stream {
namespace {

constexpr ObjectId kFile{1, 10, 0};
constexpr ObjectId kDirectory{1, 20, 0};
constexpr ObjectId kOther{1, 30, 0};

/// A write that waits behind the create of its file shares the claim on their directory, so the
/// create is not the last one there: the write must then set the directory's times.
TEST(DirectoriesHeldBy, G2_NamesEveryDirectoryWithASharedClaim) {
  const Location here{kDirectory, "name"};
  const Location there{kOther, "other"};
  const Operation operations[] = {
      Write{.object = kFile, .where = here, .offset = 0, .data = {}, .after = {}},
      Truncate{.object = kFile, .where = here, .after = {}},
      SetAttributes{.object = kFile, .where = here, .changed = 0, .after = {}},
      CreateNode{.object = kFile, .where = here, .after = {}, .parent_after = {}},
      Link{.object = kFile, .existing = there, .where = here, .after = {}, .parent_after = {}},
      LearnDirectory{.object = kFile, .where = here},
      Unlink{
          .object = kFile, .where = here, .last_link = true, .other_name = {}, .parent_after = {}},
  };
  for (const Operation& operation : operations) {
    const auto held = directories_held_by(operation);
    for (const ObjectId& directory : {kDirectory, kOther}) {
      const auto claims = stream::claims_of(operation);
      const auto is_its_claim = [key = stream::object_key(directory)](const stream::Claim& claim) {
        return claim.key == key && !claim.exclusive;
      };
      const bool claimed = std::ranges::any_of(claims.list(), is_its_claim);
      EXPECT_EQ(std::ranges::find(held, directory) != held.end(), claimed)
          << kind_name(operation) << " and directory " << directory.inode;
    }
  }
}

}  // namespace
}  // namespace mirrorfs::stream
