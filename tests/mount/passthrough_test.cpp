// G1, G2: what is read, and what is changed, while the kernel uses the source's file by itself.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "device_for_users.h"
#include "passthrough_fixture.h"

namespace mirrorfs::test {
namespace {

TEST_P(Passthrough, ReadersSeeWhatOthersWriteAtOnce) {
  const UniqueFd in = reader();
  const Mapping mapped(in.get(), PROT_READ);
  const UniqueFd out = open_file(mirror().mount("file"), O_WRONLY);
  write_at(out.get(), 1000, "written beside a reader");
  EXPECT_EQ(read_at(in.get(), 1000, 23), "written beside a reader");
  EXPECT_EQ(mapped.read(1000, 23), "written beside a reader");
  write_at(out.get(), kSize, "appended");
  EXPECT_EQ(read_at(in.get(), kSize, 100), "appended");
  EXPECT_EQ(::lseek(in.get(), 0, SEEK_END), static_cast<off_t>(kSize + 8));
  EXPECT_TRUE(mirror().identical());
}

TEST_P(Passthrough, ReadersBesideAWriterGoThroughTheDaemonAndSeeTheSame) {
  const UniqueFd out = open_file(mirror().mount("file"), O_RDWR);
  const std::uint64_t before = passed(mirror());
  const UniqueFd in = open_file(mirror().mount("file"), O_RDONLY);
  EXPECT_EQ(passed(mirror()), before) << "all opens of an inode have to agree";
  write_at(out.get(), 70'000, "cached");
  EXPECT_EQ(read_at(in.get(), 70'000, 6), "cached");
  EXPECT_TRUE(mirror().identical());
}

TEST_P(Passthrough, WhatIsUpdatedInPlaceIsNotPassedAgain) {
  open_and_close(mirror().mount("file"), O_RDWR);
  const std::uint64_t before = passed(mirror());
  open_and_close(mirror().mount("file"), O_RDONLY);
  EXPECT_EQ(passed(mirror()), before);
}

TEST_P(Passthrough, EveryChangeBesideAReader) {
  const UniqueFd in = reader();
  const UniqueFd out = open_file(mirror().mount("file"), O_RDWR);
  const UniqueFd appending = open_file(mirror().mount("file"), O_WRONLY | O_APPEND);
  write_at(out.get(), 10, "in place");
  EXPECT_EQ(::write(appending.get(), "at the end", 10), 10);
  EXPECT_EQ(read_at(in.get(), kSize, 10), "at the end");
  if (::fallocate(out.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100'000, 50'000) == 0) {
    EXPECT_EQ(read_at(in.get(), 120'000, 3), std::string(3, '\0'));
  }
  ASSERT_EQ(::ftruncate(out.get(), 200'000), 0);
  EXPECT_EQ(read_at(in.get(), 199'000, 5000).size(), 1000U);
  EXPECT_TRUE(mirror().identical());
  open_and_close(mirror().mount("file"), O_WRONLY | O_TRUNC);
  EXPECT_EQ(read_at(in.get(), 0, 10), "");
  EXPECT_TRUE(mirror().identical());
}

// Nobody tells the daemon of such a write.
TEST_P(Passthrough, MappingsBesideAReaderAreCapturedByWaitFsyncAndClose) {
  const UniqueFd in = reader();
  UniqueFd out = open_file(mirror().mount("file"), O_RDWR);
  {
    const Mapping mapped(out.get(), PROT_READ | PROT_WRITE);
    std::memset(mapped.at(40'000), 'm', 5000);
    EXPECT_EQ(read_at(in.get(), 40'000, 3), "mmm");
    EXPECT_TRUE(mirror().identical()) << "wait";
    std::memset(mapped.at(50'000), 'n', 5000);
    ASSERT_EQ(::fsync(out.get()), 0);
    const auto arrived = [&] {
      return read_file(mirror().replica("file")).substr(50'000, 5000) == std::string(5000, 'n');
    };
    EXPECT_TRUE(eventually(arrived)) << "fsync";
    std::memset(mapped.at(60'000), 'o', 5000);
    out.reset();
    ::usleep(200'000);  // RELEASE has come: it says nothing about the mapping
    std::memset(mapped.at(70'000), 'p', 5000);
    EXPECT_TRUE(mirror().identical()) << "wait, after the last close";
    std::memset(mapped.at(80'000), 'q', 5000);
  }
  const auto arrived = [&] { return mirror().trees_equal() == true; };
  EXPECT_TRUE(eventually(arrived)) << "the end of the mapping";
  EXPECT_TRUE(mirror().identical());
}

TEST_P(Passthrough, MappedChangesSurviveTheDaemonAndARename) {
  UniqueFd in = reader();
  UniqueFd out = open_file(mirror().mount("file"), O_RDWR);
  std::optional<Mapping> mapped(std::in_place, out.get(), PROT_READ | PROT_WRITE);
  mirror().wait();
  ASSERT_EQ(::rename(mirror().mount("file").c_str(), mirror().mount("renamed").c_str()), 0);
  mirror().wait();
  mirror().wait();  // the marks of all that was asked for are gone by now
  std::memset(mapped->at(40'000), 'm', 5000);
  mirror().crash();
  mapped.reset();
  in.reset(), out.reset();
  EXPECT_FALSE(mirror().trees_equal()) << "this test shows nothing";
  mirror().start();
  EXPECT_TRUE(mirror().identical());
}

TEST_P(Passthrough, NamesGoWhileItIsOpen) {
  write_file(mirror().mount("other"), "another one");
  const UniqueFd in = reader();
  ASSERT_EQ(::rename(mirror().mount("other").c_str(), mirror().mount("file").c_str()), 0);
  EXPECT_EQ(read_at(in.get(), 0, kSize), pattern(kSize, 1)) << "its file has no name any more";
  const UniqueFd now = reader();
  EXPECT_EQ(read_at(now.get(), 0, 100), "another one");
  ASSERT_EQ(::unlink(mirror().mount("file").c_str()), 0);
  EXPECT_EQ(read_at(now.get(), 0, 100), "another one");
  EXPECT_TRUE(mirror().identical());
}

/// The replica has nothing of it. The mutant: what is changed unseen is compared, and all that has
/// a name is for want of one.
TEST_P(Passthrough, WhatHasNoNameAnyMoreIsNotLookedForInTheWholeTree) {
  const UniqueFd in = reader();
  {
    const UniqueFd both = open_file(mirror().mount("file"), O_RDWR);
    const Mapping mapped(both.get(), PROT_READ | PROT_WRITE);
    ASSERT_EQ(::unlink(mirror().mount("file").c_str()), 0);
    std::memset(mapped.at(40'000), 'm', 5000);
    mirror().wait();
    ::fsync(both.get());
  }
  ::usleep(1'500'000);  // it is looked at now and then for as long as it may be mapped
  EXPECT_TRUE(mirror().identical());
  EXPECT_EQ(mirror().log_tail().find("comparing the whole tree"), std::string::npos);
}

TEST_P(Passthrough, ProgramsRunAndCannotBeWritten) {
  run_or_throw({"cp", "/bin/sleep", mirror().mount("program")});
  const ChildProcess running = ChildProcess::start({mirror().mount("program"), "20"}, {}, 1, 2);
  const auto runs = [&] {  // an open for writing that came first would keep it from running
    std::error_code none;
    const Path program =
        std::filesystem::read_symlink(fmt::format("/proc/{}/exe", running.pid()), none);
    return program.filename() == "program";
  };
  ASSERT_TRUE(eventually(runs));
  const auto busy = [&] {
    const int fd = ::open(mirror().mount("program").c_str(), O_WRONLY | O_CLOEXEC);
    const int code = errno;
    if (fd >= 0) ::close(fd);
    return fd < 0 && code == ETXTBSY;
  };
  EXPECT_TRUE(eventually(busy));
  EXPECT_TRUE(mirror().identical());
}

TEST_P(Passthrough, SetIdBitsAreClearedBesideAReader) {
  ASSERT_EQ(::chmod(mirror().mount("file").c_str(), 06777), 0);
  const UniqueFd in = reader();
  ChildProcess other = ChildProcess::fork_off([&] {
    check(::setuid(65534), "setuid", {});
    const UniqueFd out = open_file(mirror().mount("file"), O_WRONLY);
    write_at(out.get(), 0, "x");
  });
  EXPECT_EQ(other.wait(milliseconds(20'000)), 0);
  EXPECT_EQ(stat_of(mirror().source("file")).st_mode & 07777, 0777U);
  EXPECT_TRUE(mirror().identical());
}

// Backing files count for no process, but each takes memory of the kernel's.
TEST_P(Passthrough, ThousandsOfFilesAreOpenAtOnce) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  constexpr unsigned kFiles = 5000;
  if (limit.rlim_cur < kFiles + 100) GTEST_SKIP() << "too few descriptors are allowed";
  std::vector<UniqueFd> open;
  for (unsigned number = 0; number < kFiles; ++number) {
    write_file(mirror().mount(fmt::format("f{}", number)), fmt::format("{}", number));
    open.push_back(open_file(mirror().mount(fmt::format("f{}", number)), O_RDONLY));
  }
  EXPECT_GE(passed(mirror()), kFiles);
  for (unsigned number = 0; number < kFiles; number += 97) {
    EXPECT_EQ(read_at(open[number].get(), 0, 10), fmt::format("{}", number));
  }
  open.clear();
  EXPECT_TRUE(mirror().identical());
}

INSTANTIATE_TEST_SUITE_P(On, Passthrough, kPassthroughFilesystems, [](const auto& one) {
  return one.param == Filesystem::kTmpfs ? "tmpfs" : "ext4";
});

TEST(PassthroughFallBack, OfASourceThatIsStackedGoesThroughTheDaemon) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror;
  const std::string at = mirror.source();
  for (const char* const name : {"lower", "upper", "work"}) make_directory(mirror.source(name));
  const Finished mounted =
      run({"mount", "-t", "overlay", "overlay", "-o",
           fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", at), at});
  if (mounted.exit_code != 0) GTEST_SKIP() << "no overlayfs here: " << mounted.err;
  write_file(mirror.source("file"), pattern(kSize, 1));
  mirror.start();
  EXPECT_EQ(status_of(mirror).at("io"), "through");
  EXPECT_EQ(read_file(mirror.mount("file")), pattern(kSize, 1));
  EXPECT_EQ(passed(mirror), 0U);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST(PassthroughFallBack, OfAnOrdinaryUserGoesThroughTheDaemon) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const DeviceForUsers device;
  MirrorMount mirror({.user = 65534});
  mirror.start();
  EXPECT_EQ(status_of(mirror).at("io"), "through");
  EXPECT_EQ(status_of(mirror).at("passthrough_refused").get<std::uint64_t>(), 0U);
  EXPECT_TRUE(mirror.identical());
}

TEST(PassthroughFallBack, ThroughIsWhatItSays) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  MirrorMount mirror({.options = {"--io=through"}});
  write_file(mirror.source("file"), pattern(kSize, 1));
  mirror.start();
  EXPECT_EQ(read_file(mirror.mount("file")), pattern(kSize, 1));
  EXPECT_EQ(status_of(mirror).at("io"), "through");
  EXPECT_EQ(passed(mirror), 0U);
  EXPECT_TRUE(mirror.identical());
}

}  // namespace
}  // namespace mirrorfs::test
