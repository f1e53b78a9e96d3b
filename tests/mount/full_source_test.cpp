// G2 at the limit of the source: the application gets its error, the replica what the source kept.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

constexpr std::uint64_t kSize = 320 << 20;
constexpr off_t kRoom = 4 << 20;

/// Leaves about kRoom bytes of the filesystem below `directory`.
void fill(const Path& directory) {
  write_file(directory / "room", "");
  const UniqueFd room = open_file(directory / "room", O_WRONLY);
  check(::fallocate(room.get(), 0, 0, kRoom), "fallocate", directory / "room");
  const UniqueFd filler = open_file(directory / "filler", O_WRONLY | O_CREAT);
  off_t size = 0;
  for (off_t piece = kSize; piece >= 1 << 16;) {
    if (::fallocate(filler.get(), 0, size, piece) == 0) {
      size += piece;
    } else {
      piece /= 2;
    }
  }
  unlink_file(directory / "room");
}

/// Appends until there is no more room.
void exhaust(int fd, const Path& path) {
  const std::string piece = pattern(40'000, 1);
  for (;;) {
    const ssize_t count = ::write(fd, piece.data(), piece.size());
    if (count < 0 && errno == ENOSPC) return;
    check(count, "write", path);
  }
}

class FullSource : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

TEST_P(FullSource, G2_WhatFailsThereLeavesTheTreesEqual) {
  MirrorMount mirror({.source = GetParam(), .source_bytes = kSize});
  mirror.start();
  ASSERT_TRUE(mirror.identical());
  fill(mirror.mount());
  const Path path = mirror.mount("file");
  {
    // The room is there some time after close(2) has returned: nobody waits for RELEASE.
    UniqueFd fd;
    ASSERT_TRUE(eventually([&] {
      fd = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
      return fd.valid();
    }));
    exhaust(fd.get(), path);
    EXPECT_TRUE(mirror.identical()) << "after the write that did not fit";
    std::this_thread::sleep_for(milliseconds(20));
    exhaust(fd.get(), path);  // writes nothing, but moves the file's times
    EXPECT_TRUE(mirror.identical()) << "after a write that failed";
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_EQ(::fallocate(fd.get(), 0, 0, kSize), -1);
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_TRUE(mirror.identical()) << "after an allocation that failed";
  }
  mirror.stop();
}

INSTANTIATE_TEST_SUITE_P(Filesystems, FullSource,
                         testing::Values(Filesystem::kTmpfs, Filesystem::kExt4, Filesystem::kXfs),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
