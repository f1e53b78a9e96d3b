// G4: directories of the replica that somebody removed, or replaced, while the engine has them open
// are opened anew, by name; a directory that cannot be walked is told with its cause.
#include <fcntl.h>
#include <gmock/gmock.h>

#include "failing_replica_fixture.h"

namespace mirrorfs::testing {
namespace {

using ::testing::HasSubstr;

class LiveStale : public FailingReplicaTest {};

/// Below a directory that was removed libfuse answers ESTALE. The mutant: a table that takes it for
/// a change of its own and opens without an end.
TEST_F(LiveStale, G4DirectoriesReplacedOnTheReplicaAreFoundAgain) {
  std::filesystem::create_directories(source_ / "a/b/c");
  put_source("a/b/c/file", "content");
  start();
  expect_equal();
  ASSERT_TRUE(driver_->write("a/b/c/file", 0, "CONTENT"));
  ASSERT_TRUE(driver_->create("a/b/other"));
  expect_equal();
  std::filesystem::remove_all(replica_ / "a");
  std::filesystem::create_directories(replica_ / "a/b/c");
  ASSERT_TRUE(driver_->create("a/b/new"));
  ASSERT_TRUE(driver_->create("a/b/c/new"));
  ASSERT_TRUE(driver_->write("a/b/c/file", 0, "again"));
  ASSERT_TRUE(eventually([&] {
    const EngineStatus now = mirror_->status();
    return now.queued_ops == 0 && now.marks == 0;
  })) << mirror_->status().last_error;
  EXPECT_EQ(replica_content("a/b/c/file"), "againNT");
  ASSERT_TRUE(stop());
  start();
  expect_equal();
  EXPECT_TRUE(stop());
}

/// Its entry in the parent is equal each time. The mutant: a mark that forgets how often the walk
/// has failed.
TEST_F(LiveStale, G4ADirectoryThatCannotBeListedIsTold) {
  std::filesystem::create_directory(source_ / "d");
  put_source("d/file", "content");
  start();
  expect_equal();
  std::filesystem::remove_all(replica_ / "d");
  filesystem_->faults().inject(Call::kList, {.error = ENOENT});
  ASSERT_TRUE(driver_->create("d/new"));
  EXPECT_TRUE(eventually([&] {
    return mirror_->status().state == MirrorState::kDegraded &&
           mirror_->status().last_error.find("getdents64") != std::string::npos;
  }));
  EXPECT_THAT(mirror_->status().last_error, HasSubstr("d: getdents64"));
  filesystem_->faults().heal();
  expect_equal();
  EXPECT_EQ(replica_content("d/file"), "content");
  EXPECT_TRUE(stop());
}

}  // namespace
}  // namespace mirrorfs::testing
