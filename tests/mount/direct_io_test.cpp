// G1, G2: files that are written anew through the daemon without the kernel's page cache, and what
// others see of them meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include "passthrough_fixture.h"

namespace mirrorfs::test {
namespace {

class DirectIo : public Passthrough {
 protected:
  /// One that was opened, and has not been written to.
  UniqueFd writer() { return open_file(mirror().mount("new"), O_CREAT | O_WRONLY); }
  UniqueFd opened(int flags) { return open_file(mirror().mount("new"), flags); }
};

/// The kernel may not have opened the first yet, and would refuse it beside a passed one.
TEST_P(DirectIo, WhoeverOpensItBeforeTheFirstWriteReadsWithoutCacheToo) {
  const UniqueFd out = writer();
  const std::uint64_t before = passed(mirror());
  const UniqueFd in = opened(O_RDONLY);
  EXPECT_EQ(passed(mirror()), before);
  write_at(out.get(), 0, "first");
  EXPECT_EQ(read_at(in.get(), 0, 100), "first");
  write_at(out.get(), 3, "st and second");
  EXPECT_EQ(read_at(in.get(), 0, 100), "first and second");
  EXPECT_TRUE(mirror().identical());
}

TEST_P(DirectIo, ReadersThatComeLaterArePassedAndSeeWritesAtOnce) {
  const UniqueFd out = writer();
  write_at(out.get(), 0, pattern(kSize, 2));
  const UniqueFd in = reader("new");
  const Mapping mapped(in.get(), PROT_READ);
  write_at(out.get(), 1000, "written beside a reader");
  EXPECT_EQ(read_at(in.get(), 1000, 23), "written beside a reader");
  EXPECT_EQ(mapped.read(1000, 23), "written beside a reader");
  EXPECT_TRUE(mirror().identical());
}

TEST_P(DirectIo, WhatIsMappedBesideAWriterArrives) {
  const UniqueFd out = writer();
  write_at(out.get(), 0, pattern(kSize, 2));
  {
    const UniqueFd both = opened(O_RDWR);
    const Mapping mapped(both.get(), PROT_READ | PROT_WRITE);
    std::memset(mapped.at(40'000), 'm', 5000);
    write_at(out.get(), 50'000, "by the writer");
    EXPECT_EQ(mapped.read(50'000, 13), "by the writer");
    EXPECT_TRUE(mirror().identical());
  }
  EXPECT_TRUE(mirror().identical());
}

TEST_P(DirectIo, AWriteTakesCapabilitiesAndSetIdBits) {
  const UniqueFd out = writer();
  const std::string name = mirror().mount("new");
  vfs_cap_data capabilities{};
  capabilities.magic_etc = VFS_CAP_REVISION_2;
  capabilities.data[0].permitted = 1U << CAP_NET_RAW;
  const char* const kName = "security.capability";
  ASSERT_EQ(::setxattr(name.c_str(), kName, &capabilities, sizeof capabilities, 0), 0);
  write_at(out.get(), 0, "x");
  for (const Path& side : {mirror().mount("new"), mirror().source("new")}) {
    EXPECT_EQ(::getxattr(side.c_str(), kName, &capabilities, sizeof capabilities), -1) << side;
    EXPECT_EQ(errno, ENODATA) << side;
  }
  ASSERT_EQ(::chmod(name.c_str(), 06777), 0);
  ChildProcess other = ChildProcess::fork_off([&] {
    check(::setuid(65534), "setuid", {});
    write_at(out.get(), 1, "y");
  });
  EXPECT_EQ(other.wait(milliseconds(20'000)), 0);
  EXPECT_EQ(stat_of(mirror().mount("new")).st_mode & 07777, 0777U);
  EXPECT_TRUE(mirror().identical());
}

TEST_P(DirectIo, PiecesOfAllSizesAtAllPlaces) {
  const UniqueFd out = writer();
  std::string expected;
  for (std::size_t size = 1; size < 300'000; size = size * 3 + 1) {
    const std::string piece = pattern(size, static_cast<unsigned>(size));
    write_at(out.get(), static_cast<off_t>(expected.size()), piece);
    expected += piece;
  }
  write_at(out.get(), 5000, "within");
  expected.replace(5000, 6, "within");
  const UniqueFd appending = opened(O_WRONLY | O_APPEND);
  ASSERT_EQ(::write(appending.get(), "at the end", 10), 10);
  expected += "at the end";
  ASSERT_EQ(::ftruncate(out.get(), static_cast<off_t>(expected.size() - 3)), 0);
  expected.resize(expected.size() - 3);
  EXPECT_EQ(read_file(mirror().mount("new")), expected);
  EXPECT_TRUE(mirror().identical());
}

/// The kernel answers EIO to an open that does not agree with the others of its inode.
TEST_P(DirectIo, OpensNeverDisagree) {
  std::atomic<bool> ended = false;
  std::atomic<int> failed = 0;
  const auto reads = [&](int flags) {
    while (!ended) {
      const UniqueFd in(::open(mirror().mount("new").c_str(), flags | O_CLOEXEC));
      if (!in && errno != ENOENT) failed = errno;
    }
  };
  std::thread reader([&] { reads(O_RDONLY); }), other([&] { reads(O_RDONLY); });
  for (int round = 0; round < 2000 && failed == 0; ++round) {
    const UniqueFd out(::open(mirror().mount("new").c_str(),
                              (round % 3 == 0 ? O_TRUNC : O_EXCL) | O_CREAT | O_WRONLY, 0644));
    if (!out && errno != EEXIST) failed = errno;
    if (out && round % 2 == 0) write_at(out.get(), 0, "content");
    if (round % 3 != 1) ::unlink(mirror().mount("new").c_str());
  }
  ended = true;
  reader.join(), other.join();
  EXPECT_EQ(failed, 0) << std::strerror(failed);
  EXPECT_TRUE(mirror().identical());
}

INSTANTIATE_TEST_SUITE_P(On, DirectIo, kPassthroughFilesystems, [](const auto& one) {
  return one.param == Filesystem::kTmpfs ? "tmpfs" : "ext4";
});

}  // namespace
}  // namespace mirrorfs::test
