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
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "device_for_users.h"
#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

constexpr std::size_t kSize = 300'000;

nlohmann::json status_of(const MirrorMount& mirror) {
  return nlohmann::json::parse(mirror.status().json);
}
std::uint64_t passed(const MirrorMount& mirror) {
  return status_of(mirror).at("passthrough_opens").get<std::uint64_t>();
}

std::string read_at(int fd, off_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  const auto count = check(::pread(fd, bytes.data(), size, offset), "pread", {});
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

void write_at(int fd, off_t offset, std::string_view bytes) {
  const auto count = check(::pwrite(fd, bytes.data(), bytes.size(), offset), "pwrite", {});
  ASSERT_EQ(static_cast<std::size_t>(count), bytes.size());
}

void open_and_close(const Path& path, int flags) { close_file(open_file(path, flags), path); }

/// The whole of a file in memory, shared.
class Mapping {
 public:
  Mapping(int fd, int protection) {
    void* const memory = ::mmap(nullptr, kSize, protection, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) throw_errno("mmap", {});
    memory_ = static_cast<char*>(memory);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(memory_, kSize); }
  [[nodiscard]] char* at(std::size_t offset) const { return memory_ + offset; }
  [[nodiscard]] std::string read(std::size_t offset, std::size_t size) const {
    return {memory_ + offset, size};
  }

 private:
  char* memory_;
};

class Passthrough : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override {
    MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
    mirror_.emplace(MirrorSetup{.source = GetParam()});
    write_file(mirror_->source("file"), pattern(kSize, 1));
    mirror_->start();
    if (status_of(*mirror_).at("io") != "passthrough") {
      GTEST_SKIP() << "this kernel has no FUSE passthrough (Linux 6.9)";
    }
  }
  MirrorMount& mirror() { return *mirror_; }

  /// Writers are passed where one time was seen that no coarser clock could have stamped: one in
  /// ten could be.
  void show_nanoseconds() {
    for (const char* const name : {"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"}) {
      write_file(mirror().mount(name), name);
    }
  }

  /// A reader that the kernel serves by itself.
  UniqueFd reader(const Path& name = "file") {
    const std::uint64_t before = passed(*mirror_);
    UniqueFd fd = open_file(mirror_->mount(name), O_RDONLY);
    EXPECT_EQ(passed(*mirror_), before + 1) << "the reader goes through the daemon";
    return fd;
  }

 private:
  std::optional<MirrorMount> mirror_;
};

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

TEST_P(Passthrough, WhatIsWrittenAsAWholeArrives) {
  show_nanoseconds();
  const std::uint64_t before = passed(mirror());
  const std::size_t sizes[] = {0, 1, 4096, 70'000, (1U << 20) + 5, (6U << 20) + 1, 20U << 20};
  for (const std::size_t size : sizes) {
    write_file(mirror().mount(fmt::format("w{}", size)), pattern(size, 3));
  }
  EXPECT_EQ(passed(mirror()) - before, std::size(sizes));
  EXPECT_TRUE(mirror().identical());
  for (const std::size_t size : sizes) {
    write_file(mirror().mount(fmt::format("w{}", size)), pattern(size / 2, 4));
  }
  UniqueFd sparse = open_file(mirror().mount("sparse"), O_WRONLY | O_CREAT);
  write_at(sparse.get(), 30U << 20, "behind a hole");
  ASSERT_EQ(::fallocate(sparse.get(), 0, 0, 8192), 0);
  ASSERT_EQ(::ftruncate(sparse.get(), 25U << 20), 0);
  write_at(sparse.get(), 10'000, "in it");
  EXPECT_TRUE(mirror().identical()) << "while it is open";
  write_at(sparse.get(), 20'000, "and again");
  sparse.reset();
  run_or_throw({"cp", "-a", "/usr/include/linux", mirror().mount("copied")});
  EXPECT_TRUE(mirror().identical());
}

// A writer that replaces its file by rename shows the old one or the new one.
TEST_P(Passthrough, WhatIsRenamedOverAnotherHasItsContent) {
  write_file(mirror().mount("config"), pattern(20'000, 0));
  mirror().wait();
  ChildProcess writer = ChildProcess::fork_off([&] {
    for (unsigned version = 1; version <= 300; ++version) {
      write_file(mirror().mount("config.new"), pattern(20'000, version));
      rename_to(mirror().mount("config.new"), mirror().mount("config"));
    }
  });
  std::optional<int> ended;
  std::size_t looks = 0;
  while (!(ended = writer.wait(milliseconds(0)))) {
    ASSERT_EQ(read_file(mirror().replica("config")).size(), 20'000U) << "after " << looks;
    ++looks;
  }
  EXPECT_EQ(ended, 0);
  EXPECT_GT(looks, 0U);
  EXPECT_TRUE(mirror().identical());
}

TEST_P(Passthrough, OpenWritersSurviveTheDaemon) {
  show_nanoseconds();
  make_directory(mirror().mount("d"));
  const std::uint64_t before = passed(mirror());
  std::vector<UniqueFd> open;
  for (unsigned number = 0; number < 20; ++number) {
    open.push_back(open_file(mirror().mount(fmt::format("d/f{}", number)), O_WRONLY | O_CREAT));
    write_at(open.back().get(), 0, "captured");
  }
  EXPECT_EQ(passed(mirror()) - before, 20U);
  rename_to(mirror().mount("d"), mirror().mount("e"));
  rename_to(mirror().mount("e/f0"), mirror().mount("g0"));
  mirror().wait();
  mirror().wait();  // the marks of all that was asked for are gone by now
  for (const UniqueFd& fd : open) write_at(fd.get(), 3, "not captured any more");
  mirror().crash();
  open.clear();
  EXPECT_FALSE(mirror().trees_equal()) << "this test shows nothing";
  mirror().start();
  EXPECT_TRUE(mirror().identical());
}

TEST_P(Passthrough, SetIdBitsGivenToAnOpenFileGoWithTheNextWrite) {
  show_nanoseconds();
  const std::uint64_t before = passed(mirror());
  make_directory(mirror().mount("d"), 0777);
  change_mode(mirror().mount("d"), 0777);
  ChildProcess other = ChildProcess::fork_off([&] {
    check(::setgid(65534), "setgid", {});
    check(::setuid(65534), "setuid", {});
    const Path path = mirror().mount("d/new");
    const UniqueFd out = open_file(path, O_WRONLY | O_CREAT, 0755);
    write_at(out.get(), 0, "one");
    change_mode(path, 06755);
    write_at(out.get(), 3, "two");
  });
  EXPECT_EQ(other.wait(milliseconds(20'000)), 0);
  EXPECT_EQ(passed(mirror()), before + 1);
  EXPECT_EQ(stat_of(mirror().source("d/new")).st_mode & 07777, 0755U);
  EXPECT_TRUE(mirror().identical());
}

TEST_P(Passthrough, WritersBesideAWriter) {
  const UniqueFd first = open_file(mirror().mount("new"), O_WRONLY | O_CREAT);
  write_at(first.get(), 0, pattern(9000, 1));
  const UniqueFd second = open_file(mirror().mount("new"), O_WRONLY);
  write_at(second.get(), 4000, "by the daemon");
  const UniqueFd both = open_file(mirror().mount("new"), O_RDWR);
  write_at(first.get(), 8000, "past the daemon");
  EXPECT_EQ(read_at(both.get(), 4000, 13), "by the daemon");
  EXPECT_EQ(read_at(both.get(), 8000, 15), "past the daemon");
  EXPECT_TRUE(mirror().identical());
  write_at(both.get(), 100, "again");
  write_at(first.get(), 200, "and again");
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

INSTANTIATE_TEST_SUITE_P(On, Passthrough, testing::Values(Filesystem::kTmpfs, Filesystem::kExt4),
                         [](const auto& one) {
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
