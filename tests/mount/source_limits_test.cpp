// G4: a source without room, or with a limit, tells the application as if mirrorfs were not there;
// G2: the replica gets what the source kept.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

MirrorSetup small_source_on(Filesystem filesystem) {
  // The least that mkfs.xfs makes is 300 MB.
  const std::uint64_t megabytes = filesystem == Filesystem::kXfs ? 304 : 48;
  return {.source = filesystem, .source_bytes = megabytes << 20};
}

/// Writes until the filesystem takes no block more; how much it took.
std::uint64_t fill(const Path& path) {
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT);
  const std::string bytes = pattern(1 << 20, 3);
  std::uint64_t size = 0;
  for (std::size_t piece = bytes.size(); piece >= 4096;) {
    const ssize_t count = ::pwrite(fd.get(), bytes.data(), piece, static_cast<off_t>(size));
    if (count > 0) {
      size += static_cast<std::uint64_t>(count);
    } else if (errno == ENOSPC) {
      piece /= 8;
    } else {
      throw_errno("pwrite", path);
    }
  }
  return size;
}

void as_user(uid_t user, const std::function<void()>& body) {
  ChildProcess child = ChildProcess::fork_off([&] {
    check(::setgid(user), "setgid", {});
    check(::setuid(user), "setuid", {});
    body();
  });
  if (child.wait(milliseconds(60'000)) != 0) throw std::runtime_error("the user's work failed");
}

/// What else needs room, none of which is there.
void attempt_more(const Path& copied, const Path& large) {
  const UniqueFd from = open_file(copied, O_RDONLY);
  const UniqueFd to = open_file(large, O_RDWR);
  EXPECT_EQ(::fallocate(to.get(), 0, 0, 1LL << 32), -1);
  EXPECT_EQ(::fallocate(to.get(), FALLOC_FL_KEEP_SIZE, 0, 1LL << 32), -1);
  off_t far_away = 1LL << 29;
  for (ssize_t count = 1; count > 0;) {  // reflinks need little room
    count = ::copy_file_range(from.get(), nullptr, to.get(), &far_away, 1 << 20, 0);
  }
  EXPECT_EQ(::pwrite(to.get(), "x", 1, 1LL << 30), -1);
}

class SourceWithoutRoom : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

TEST_P(SourceWithoutRoom, G4_TellsTheApplicationAndTheReplicaGetsWhatItKept) {
  MirrorMount mirror(small_source_on(GetParam()));
  mirror.start();
  write_file(mirror.mount("copied"), pattern(3 << 20, 1));
  write_file(mirror.mount("small"), "small");
  const std::uint64_t size = fill(mirror.mount("large"));
  EXPECT_EQ(static_cast<std::uint64_t>(stat_of(mirror.mount("large")).st_size), size);
  EXPECT_EQ(static_cast<std::uint64_t>(stat_of(mirror.source("large")).st_size), size);
  attempt_more(mirror.mount("copied"), mirror.mount("large"));
  EXPECT_TRUE(mirror.identical());
  unlink_file(mirror.mount("copied"));
  unlink_file(mirror.mount("large"));
  // Only after the unlink does the kernel tell the daemon that they are no longer open (FORGET).
  EXPECT_TRUE(eventually([&] {
    const UniqueFd fd(::open(mirror.mount("again").c_str(), O_WRONLY | O_CREAT, 0644));
    const std::string bytes = pattern(1 << 20, 2);
    return fd && ::pwrite(fd.get(), bytes.data(), bytes.size(), 0) == 1 << 20;
  }));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

INSTANTIATE_TEST_SUITE_P(G4, SourceWithoutRoom,
                         testing::Values(Filesystem::kTmpfs, Filesystem::kExt4, Filesystem::kXfs),
                         [](const auto& test) { return to_string(test.param); });

TEST(ReservedBlocks, G4_AreKeptForRoot) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror(small_source_on(Filesystem::kExt4));
  mirror.start();
  change_mode(mirror.mount(), 0777);
  as_user(1234, [&] { fill(mirror.mount("theirs")); });
  as_user(0, [&] { write_file(mirror.mount("ours"), pattern(1 << 20, 1)); });
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST(LimitOfTheShell, G4_IsNotThatOfApplications) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror;
  {
    rlimit before{};
    check(::getrlimit(RLIMIT_FSIZE, &before), "getrlimit", {});
    const rlimit small{.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
    check(::setrlimit(RLIMIT_FSIZE, &small), "setrlimit", {});
    mirror.start();
    check(::setrlimit(RLIMIT_FSIZE, &before), "setrlimit", {});
  }
  write_file(mirror.mount("file"), pattern(3 << 20, 1));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

}  // namespace
}  // namespace mirrorfs::test
