// Errors of writing that a filesystem reports only at close(2): EIO, ENOSPC, EDQUOT.
//
// The mutant: Staging::publish() or update_file() that ignores the result of the close.
#include <gmock/gmock.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "failing_filesystem.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

using ::testing::HasSubstr;

class FailingClose : public TreeTest {
 protected:
  void SetUp() override {
    MIRRORFS_NEEDS_ROOT();
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/fuse to be opened";
    fs::create_directory(root_ / "backing");
    filesystem_.emplace(root_ / "backing", replica_);
    ASSERT_TRUE(filesystem_->mounted());
  }
  void TearDown() override { filesystem_.reset(); }

  void expect_failure(const std::vector<Failure>& failures, const std::string& path) {
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0].path, path);
    EXPECT_THAT(failures[0].cause, HasSubstr("close"));
    EXPECT_THAT(failures[0].cause, HasSubstr("No space left on device"));
  }

  std::optional<FailingFilesystem> filesystem_;
};

TEST_F(FailingClose, ANewFileIsNotPublished) {
  for (const std::size_t size : {10UL, 600'000UL}) {
    write_file(source_ / "new", std::string(size, 'n'));
    filesystem_->fail_close_with(ENOSPC);
    expect_failure(sync().failures, "new");
    EXPECT_FALSE(fs::exists(root_ / "backing" / "new")) << size << " bytes";
    filesystem_->fail_close_with(0);
    EXPECT_TRUE(sync().failures.empty());
    EXPECT_TRUE(verify({.full = true}).identical()) << size << " bytes";
    fs::remove(root_ / "backing" / "new");
  }
}

TEST_F(FailingClose, AReplacedFileKeepsItsOldContent) {
  write_file(source_ / "file", "new content");
  write_file(root_ / "backing" / "file", "old");
  filesystem_->fail_close_with(ENOSPC);
  expect_failure(sync().failures, "file");
  EXPECT_EQ(read_file(root_ / "backing" / "file"), "old");
}

TEST_F(FailingClose, G1AFileUpdatedInPlaceStillDiffers) {
  constexpr std::size_t kSize = 9 << 20;
  write_file(source_ / "large", std::string(kSize, 's'));
  write_file(root_ / "backing" / "large", std::string(kSize, 'r'));
  set_mtime(source_ / "large", 1'000'000'000);
  filesystem_->fail_close_with(ENOSPC);
  expect_failure(verify({.repair = true}).failures, "large");
  filesystem_->fail_close_with(0);
  // Its content may not be there: a quick comparison must not take it for equal.
  EXPECT_EQ(verify().differences_total, 1U);
  EXPECT_TRUE(verify({.repair = true}).failures.empty());
  EXPECT_TRUE(verify({.full = true}).identical());
}

}  // namespace
}  // namespace mirrorfs::testing
