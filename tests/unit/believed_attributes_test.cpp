// G1: what the kernel remembers of a server's attributes is not what the server has.
#include <sys/stat.h>
#include <unistd.h>

#include "failing_filesystem.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

class BelievedAttributes : public TreeTest {
 protected:
  void SetUp() override {
    MIRRORFS_NEEDS_ROOT();
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/fuse to be opened";
    fs::create_directory(root_ / "backing");
    filesystem_.emplace(root_ / "backing", replica_, 3600);
    ASSERT_TRUE(filesystem_->mounted());
  }
  void TearDown() override { filesystem_.reset(); }

  std::optional<FailingFilesystem> filesystem_;
};

TEST_F(BelievedAttributes, G1_AComparisonAsksTheServer) {
  write_file(source_ / "file", "content");
  sync();
  ASSERT_TRUE(verify().identical());
  const struct stat before = status_of(replica_ / "file");
  ASSERT_EQ(::chmod((root_ / "backing" / "file").c_str(), 0604), 0);
  ASSERT_EQ(status_of(replica_ / "file").st_mode, before.st_mode) << "this test shows nothing";
  EXPECT_FALSE(verify().identical());
  sync();
  EXPECT_TRUE(verify().identical());
  EXPECT_EQ(status_of(root_ / "backing" / "file").st_mode, before.st_mode);
}

}  // namespace
}  // namespace mirrorfs::testing
