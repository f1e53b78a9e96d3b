// Every request of the ring, by its opcode and by the plain call that stands in for it.
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <vector>

#include "ring_fixture.h"

namespace mirrorfs::ring {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text(std::span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

class Requests : public RingFixture, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    RingFixture::SetUp();
    make_ring({.entries = 64, .helper_threads = 2, .direct_calls = GetParam()});
  }
  [[nodiscard]] struct stat look(const char* name) const {
    struct stat found{};
    EXPECT_EQ(::fstatat(dir(), name, &found, AT_SYMLINK_NOFOLLOW), 0) << name;
    return found;
  }
  [[nodiscard]] bool exists(const char* name) const {
    return ::faccessat(dir(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  }
};

INSTANTIATE_TEST_SUITE_P(Ring, Requests, ::testing::Values(false, true),
                         [](const auto& way) { return way.param ? "Direct" : "Opcode"; });

TEST_P(Requests, OpenCreatesWithModeAndCloseOnExec) {
  run([this]() -> Task<> {
    auto file = co_await ring().open(dir(), "new", O_RDWR | O_CREAT | O_EXCL, 0640);
    EXPECT_TRUE(succeeded(file));
    if (!file) co_return;
    EXPECT_NE(::fcntl(file->get(), F_GETFD) & FD_CLOEXEC, 0);
  });
  EXPECT_EQ(look("new").st_mode & 07777, 0640U);
}

TEST_P(Requests, OpenWithoutCreatingIgnoresTheMode) {
  make_file("there");
  run([this]() -> Task<> {
    EXPECT_TRUE(succeeded(co_await ring().open(dir(), "there", O_RDONLY, 0777)));
    EXPECT_TRUE(succeeded(co_await ring().open(dir(), ".", O_PATH | O_DIRECTORY)));
    EXPECT_TRUE(succeeded(co_await ring().open(dir(), ".", O_WRONLY | O_TMPFILE, 0600)));
  });
}

TEST_P(Requests, OpenErrorNamesCallAndFile) {
  run([this]() -> Task<> {
    auto missing = co_await ring().open(dir(), "missing", O_RDONLY);
    EXPECT_TRUE(failed_with(missing, ENOENT, "openat2", "missing"));
    EXPECT_EQ(missing.error().message(), "openat2 'missing': No such file or directory");
  });
}

TEST_P(Requests, G7OpenNeverFollowsASymlink) {
  ASSERT_EQ(::symlinkat("/etc/passwd", dir(), "absolute"), 0);
  ASSERT_EQ(::symlinkat("inside", dir(), "relative"), 0);
  ASSERT_EQ(::symlinkat("/etc", dir(), "etc"), 0);
  make_file("inside");
  run([this]() -> Task<> {
    for (const char* name : {"absolute", "relative", "etc/passwd"}) {
      auto opened = co_await ring().open(dir(), name, O_RDONLY);
      EXPECT_TRUE(failed_with(opened, ELOOP, "openat2", name));
    }
    for (const char* name : {"../etc/passwd", "/etc/passwd", ".."}) {
      auto opened = co_await ring().open(dir(), name, O_RDONLY);
      EXPECT_TRUE(failed_with(opened, EXDEV, "openat2", name));
    }
    // O_TRUNC and O_CREAT would be the damage.
    auto written = co_await ring().open(dir(), "absolute", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT_TRUE(failed_with(written, ELOOP, "openat2", "absolute"));
  });
}

TEST_P(Requests, OpenOfTheSymlinkItselfWithOPath) {
  ASSERT_EQ(::symlinkat("target", dir(), "link"), 0);
  run([this]() -> Task<> {
    auto link = co_await ring().open(dir(), "link", O_PATH | O_NOFOLLOW);
    EXPECT_TRUE(succeeded(link));
    if (!link) co_return;
    auto metadata = co_await ring().statx(link->get(), "", AT_EMPTY_PATH);
    EXPECT_TRUE(succeeded(metadata));
    EXPECT_TRUE(metadata->is_symlink());
  });
}

TEST_P(Requests, StatxAgreesWithStat) {
  const UniqueFd file = make_file("file");
  ASSERT_EQ(::pwrite(file.get(), "12345", 5, 0), 5);
  ASSERT_EQ(::symlinkat("file", dir(), "link"), 0);
  run([this, &file]() -> Task<> {
    auto metadata = co_await ring().statx(dir(), "file");
    EXPECT_TRUE(succeeded(metadata));
    const struct stat expected = look("file");
    EXPECT_EQ(metadata->size, 5U);
    EXPECT_EQ(metadata->mode, expected.st_mode);
    EXPECT_EQ(metadata->ino, expected.st_ino);
    EXPECT_EQ(metadata->dev, expected.st_dev);
    EXPECT_EQ(metadata->nlink, expected.st_nlink);
    EXPECT_TRUE(same_time(metadata->mtime, expected.st_mtim));
    EXPECT_TRUE(same_time(metadata->ctime, expected.st_ctim));
    auto by_descriptor = co_await ring().statx(file.get(), "", AT_EMPTY_PATH);
    EXPECT_EQ(by_descriptor->id(), metadata->id());
    auto link = co_await ring().statx(dir(), "link");
    EXPECT_TRUE(link->is_symlink());
    EXPECT_TRUE(failed_with(co_await ring().statx(dir(), "gone"), ENOENT, "statx", "gone"));
  });
}

TEST_P(Requests, WriteAndReadAtOffsets) {
  const UniqueFd file = make_file("file");
  run([this, &file]() -> Task<> {
    auto written = co_await ring().write(file.get(), bytes("hello"), 3);
    EXPECT_EQ(written.value_or(0), 5U);
    std::array<std::byte, 16> buffer{};
    auto count = co_await ring().read(file.get(), buffer, 3);
    EXPECT_EQ(count.value_or(0), 5U);
    EXPECT_EQ(text(std::span(buffer).first(5)), "hello");
    EXPECT_EQ((co_await ring().read(file.get(), buffer, 8)).value_or(99), 0U);
    EXPECT_TRUE(failed_with(co_await ring().read(-1, buffer, 0), EBADF, "read", ""));
    EXPECT_TRUE(failed_with(co_await ring().write(dir(), bytes("x"), 0), EBADF, "write", ""));
  });
}

TEST_P(Requests, WriteAllAndReadAll) {
  const UniqueFd file = make_file("file");
  run([this, &file]() -> Task<> {
    std::vector<std::byte> data(3'000'000);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 31 >> 3);
    EXPECT_TRUE(succeeded(co_await ring().write_all(file.get(), data, 10)));
    std::vector<std::byte> back(data.size() + 100);
    auto count = co_await ring().read_all_at(file.get(), back, 10);
    EXPECT_EQ(count.value_or(0), data.size());
    back.resize(data.size());
    EXPECT_TRUE(back == data);
    EXPECT_FALSE(co_await ring().write_all(-1, data, 0));
    EXPECT_FALSE(co_await ring().read_all_at(-1, back, 0));
  });
}

TEST_P(Requests, AllocateTruncateSyncAdvise) {
  const UniqueFd file = make_file("file");
  run([this, &file]() -> Task<> {
    const ByteRange range{4096, 8192};
    auto allocated = co_await ring().fallocate(file.get(), FALLOC_FL_KEEP_SIZE, range);
    if (!allocated) {
      EXPECT_TRUE(failed_with(allocated, EOPNOTSUPP, "fallocate", ""));
    }
    const std::uint64_t beyond_4g = (5ULL << 30) + 1;
    EXPECT_TRUE(succeeded(co_await ring().ftruncate(file.get(), beyond_4g)));
    EXPECT_EQ(look("file").st_size, static_cast<off_t>(beyond_4g));
    EXPECT_TRUE(succeeded(co_await ring().ftruncate(file.get(), 7)));
    EXPECT_EQ(look("file").st_size, 7);
    EXPECT_TRUE(succeeded(co_await ring().fsync(file.get())));
    EXPECT_TRUE(succeeded(co_await ring().fsync(file.get(), true)));
    const ByteRange whole{0, 6ULL << 30};
    EXPECT_TRUE(succeeded(co_await ring().fadvise(file.get(), whole, POSIX_FADV_DONTNEED)));
    EXPECT_TRUE(failed_with(co_await ring().fsync(-1, true), EBADF, "fdatasync", ""));
    EXPECT_TRUE(failed_with(co_await ring().fadvise(file.get(), whole, 77), EINVAL, "fadvise", ""));
  });
}

TEST_P(Requests, CloseTakesTheDescriptor) {
  UniqueFd file = make_file("file");
  const int number = file.get();
  run([this, &file]() -> Task<> {
    EXPECT_TRUE(succeeded(co_await ring().close(std::move(file))));
    EXPECT_TRUE(failed_with(co_await ring().close(UniqueFd()), EBADF, "close", ""));
  });
  EXPECT_FALSE(file);
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST_P(Requests, DirectoriesAreMadeAndRemoved) {
  run([this]() -> Task<> {
    EXPECT_TRUE(succeeded(co_await ring().mkdirat(dir(), "d", 0750)));
    EXPECT_EQ(look("d").st_mode, S_IFDIR | 0750U);
    EXPECT_TRUE(failed_with(co_await ring().mkdirat(dir(), "d", 0750), EEXIST, "mkdirat", "d"));
    EXPECT_TRUE(failed_with(co_await ring().unlinkat(dir(), "d", 0), EISDIR, "unlinkat", "d"));
    EXPECT_TRUE(succeeded(co_await ring().unlinkat(dir(), "d", AT_REMOVEDIR)));
  });
  EXPECT_FALSE(exists("d"));
}

TEST_P(Requests, RenameWithFlags) {
  make_file("a");
  make_file("b");
  const ino_t inode_a = look("a").st_ino;
  run([this]() -> Task<> {
    auto refused = co_await ring().renameat2(dir(), "a", dir(), "b", RENAME_NOREPLACE);
    EXPECT_TRUE(failed_with(refused, EEXIST, "renameat2", "a"));
    EXPECT_TRUE(succeeded(co_await ring().renameat2(dir(), "a", dir(), "b", RENAME_EXCHANGE)));
    EXPECT_TRUE(succeeded(co_await ring().renameat2(dir(), "b", dir(), "c", 0)));
  });
  EXPECT_EQ(look("c").st_ino, inode_a);
  EXPECT_FALSE(exists("b"));
}

TEST_P(Requests, LinksHardAndSymbolic) {
  make_file("a");
  run([this]() -> Task<> {
    EXPECT_TRUE(succeeded(co_await ring().linkat(dir(), "a", dir(), "b", 0)));
    EXPECT_TRUE(
        failed_with(co_await ring().linkat(dir(), "a", dir(), "b", 0), EEXIST, "linkat", "b"));
    EXPECT_TRUE(succeeded(co_await ring().symlinkat("any/target", dir(), "s")));
    auto again = co_await ring().symlinkat("x", dir(), "s");
    EXPECT_TRUE(failed_with(again, EEXIST, "symlinkat", "s"));
  });
  EXPECT_EQ(look("a").st_nlink, 2U);
  EXPECT_EQ(std::filesystem::read_symlink(path_ / "s"), "any/target");
}

TEST_P(Requests, ExtendedAttributes) {
  const UniqueFd file = make_file("file");
  if (::fsetxattr(file.get(), "user.probe", "", 0, 0) != 0 && errno == EOPNOTSUPP) {
    GTEST_SKIP() << "no user xattrs on " << path_;
  }
  run([this, &file]() -> Task<> {
    EXPECT_TRUE(succeeded(co_await ring().fsetxattr(file.get(), "user.a", bytes("value"), 0)));
    std::array<std::byte, 32> buffer{};
    auto size = co_await ring().fgetxattr(file.get(), "user.a", buffer);
    EXPECT_EQ(size.value_or(0), 5U);
    EXPECT_EQ(text(std::span(buffer).first(5)), "value");
    auto needed = co_await ring().fgetxattr(file.get(), "user.a", {});
    EXPECT_EQ(needed.value_or(0), 5U);
    auto exclusive = co_await ring().fsetxattr(file.get(), "user.a", bytes(""), XATTR_CREATE);
    EXPECT_TRUE(failed_with(exclusive, EEXIST, "fsetxattr", "user.a"));
    auto missing = co_await ring().fgetxattr(file.get(), "user.b", buffer);
    EXPECT_TRUE(failed_with(missing, ENODATA, "fgetxattr", "user.b"));
  });
}

TEST_P(Requests, RunsWhereItIsMeantTo) {
  run([this]() -> Task<> { EXPECT_TRUE(succeeded(co_await ring().statx(dir(), "."))); });
  const Counters counters = ring().counters();
  EXPECT_EQ(counters.direct_calls, GetParam() ? 1U : 0U);
  EXPECT_EQ(counters.operations, GetParam() ? 0U : 1U);
}

// openat2 gives EAGAIN on a leased file with O_NONBLOCK: the one case that can be had at will.
TEST_P(Requests, OpenRetriesEagainABoundedNumberOfTimes) {
  make_file("leased");
  struct sigaction ignore{}, before{};
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGIO, &ignore, &before), 0);
  {
    const UniqueFd holder(::openat(dir(), "leased", O_RDONLY | O_CLOEXEC));
    if (::fcntl(holder.get(), F_SETLEASE, F_RDLCK) != 0) GTEST_SKIP() << "no leases here";
    run([this]() -> Task<> {
      auto opened = co_await ring().open(dir(), "leased", O_WRONLY | O_NONBLOCK);
      EXPECT_TRUE(failed_with(opened, EAGAIN, "openat2", "leased"));
    });
  }
  ASSERT_EQ(::sigaction(SIGIO, &before, nullptr), 0);
  EXPECT_EQ(ring().counters().retries, GetParam() ? 0U : 32U);
}

}  // namespace
}  // namespace mirrorfs::ring
