// The mount shows at once what the source has, also where the daemon changed what the kernel cannot
// expect. Attributes are trusted for an hour here: what is right was told. Mutant: a changed mode
// is recorded and not told to the kernel.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

class KernelBelief : public Mounted {
 protected:
  double attribute_timeout() const override { return 3600; }

  void SetUp() override {
    Mounted::SetUp();
    if (IsSkipped()) return;
    make_file("file", std::string(8192, 'x'));
  }

  void expect_shown(const char* after) const {
    const Metadata real = look("file");
    // The mode alone, as exec(2) looks at it: asked for with size and times, which the kernel knows
    // to be stale, it would come along.
    struct statx mode{};
    ASSERT_EQ(::statx(AT_FDCWD, mount("file").c_str(), 0, STATX_MODE, &mode), 0);
    EXPECT_EQ(mode.stx_mode, real.mode) << "after " << after;
    struct stat shown{};
    ASSERT_EQ(::stat(mount("file").c_str(), &shown), 0);
    EXPECT_EQ(shown.st_size, static_cast<off_t>(real.size)) << "after " << after;
    EXPECT_EQ(static_cast<std::uint64_t>(shown.st_blocks), real.blocks) << "after " << after;
    EXPECT_TRUE(same_time(shown.st_mtim, real.mtime)) << "mtime after " << after;
  }

  /// By somebody who may not keep set-id bits, on a file that has them, which the kernel was shown.
  void change_as_nobody(const char* name, const std::function<int(int)>& change) const {
    ASSERT_EQ(::chmod(mount("file").c_str(), 06777), 0);
    expect_shown("chmod");
    const int result = as_user({}, [&] {
      const int fd = ::open(mount("file").c_str(), O_RDWR);
      return fd < 0 || change(fd) < 0 ? errno : 0;
    });
    EXPECT_EQ(result, 0) << name;
    EXPECT_EQ(look("file").permissions() & 06000U, 0U) << name;
    expect_shown(name);
  }
};

TEST_F(KernelBelief, SetIdBitsThatAWriteClears) {
  change_as_nobody("write", [](int fd) { return static_cast<int>(::pwrite(fd, "new", 3, 0)); });
  change_as_nobody("a write past the end",
                   [](int fd) { return static_cast<int>(::pwrite(fd, "new", 3, 20'000)); });
}

TEST_F(KernelBelief, SetIdBitsThatFallocateClears) {
  change_as_nobody("fallocate", [](int fd) { return ::fallocate(fd, 0, 0, 50'000); });
  change_as_nobody("punching a hole", [](int fd) {
    return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
  });
}

TEST_F(KernelBelief, SetIdBitsThatTruncateClears) {
  change_as_nobody("ftruncate", [](int fd) { return ::ftruncate(fd, 100); });
  change_as_nobody("open with O_TRUNC", [this](int) {
    const int fd = ::open(mount("file").c_str(), O_WRONLY | O_TRUNC);
    return fd;
  });
}

TEST_F(KernelBelief, SetIdBitsThatCopyFileRangeClears) {
  make_file("origin", std::string(9000, 'o'));
  ASSERT_EQ(::chmod(mount("origin").c_str(), 0644), 0);
  change_as_nobody("copy_file_range", [this](int fd) {
    const int from = ::open(mount("origin").c_str(), O_RDONLY);
    return static_cast<int>(::copy_file_range(from, nullptr, fd, nullptr, 9000, 0));
  });
}

TEST_F(KernelBelief, ModeThatAnAclChanges) {
  ASSERT_EQ(::chmod(mount("file").c_str(), 0600), 0);
  expect_shown("chmod");
  // Version 2; user::rw-, group::r-x, mask::rwx, other::--x (acl(5), linux/posix_acl_xattr.h).
  const std::array<std::uint16_t, 18> acl = {2,      0,      1,      6,      0xFFFF, 0xFFFF,
                                             4,      5,      0xFFFF, 0xFFFF, 16,     7,
                                             0xFFFF, 0xFFFF, 32,     1,      0xFFFF, 0xFFFF};
  ASSERT_EQ(::setxattr(mount("file").c_str(), "system.posix_acl_access", acl.data(), sizeof acl, 0),
            0);
  EXPECT_EQ(look("file").permissions(), 0671U);
  expect_shown("setting an ACL");
}

TEST_F(KernelBelief, TimesOfADirectoryWhoseEntriesChange) {
  ASSERT_EQ(::mkdir(mount("folder").c_str(), 0755), 0);
  const auto expect_times = [this](const char* after) {
    struct stat shown{};
    ASSERT_EQ(::stat(mount("folder").c_str(), &shown), 0);
    EXPECT_TRUE(same_time(shown.st_mtim, look("folder").mtime)) << "after " << after;
    EXPECT_EQ(shown.st_nlink, look("folder").nlink) << "after " << after;
  };
  expect_times("mkdir");
  make_file("folder/a");
  expect_times("create");
  ASSERT_EQ(::mkdir(mount("folder/b").c_str(), 0755), 0);
  expect_times("mkdir in it");
  ASSERT_EQ(::rename(mount("folder/a").c_str(), mount("folder/c").c_str()), 0);
  expect_times("rename");
  ASSERT_EQ(::unlink(mount("folder/c").c_str()), 0);
  expect_times("unlink");
  ASSERT_EQ(::rmdir(mount("folder/b").c_str()), 0);
  expect_times("rmdir in it");
}

TEST_F(KernelBelief, LinkCountOfAFileWhoseNamesChange) {
  ASSERT_EQ(::link(mount("file").c_str(), mount("other").c_str()), 0);
  struct stat shown{};
  ASSERT_EQ(::stat(mount("file").c_str(), &shown), 0);
  EXPECT_EQ(shown.st_nlink, 2U);
  make_file("third");
  ASSERT_EQ(::rename(mount("third").c_str(), mount("other").c_str()), 0);
  ASSERT_EQ(::stat(mount("file").c_str(), &shown), 0);
  EXPECT_EQ(shown.st_nlink, 1U);
}

}  // namespace
}  // namespace mirrorfs::testing
