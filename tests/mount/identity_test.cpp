// G2: objects keep their identity and content through what makes other filesystems stumble: many
// appenders, renames above those who write, files without a name, sizes and values at the limit.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <thread>

#include "mirror_mount.h"

namespace mirrorfs::test {
namespace {

class Identity : public testing::TestWithParam<Filesystem> {
 protected:
  void SetUp() override { MIRRORFS_SKIP_UNLESS_MOUNTS_WORK(); }
};

TEST_P(Identity, LinesOfManyAppendersStayWholeAndInOrder) {
  MirrorMount mirror({.source = GetParam(), .replica = GetParam()});
  mirror.start();
  constexpr unsigned kAppenders = 8, kLines = 100;
  write_file(mirror.mount("log"), "");
  Workers appenders(kAppenders, [&](unsigned appender) {
    const UniqueFd fd = open_file(mirror.mount("log"), O_WRONLY | O_APPEND);
    for (unsigned line = 0; line < kLines; ++line) {
      std::string text = std::to_string(appender) + ' ' + std::to_string(line) + ' ';
      text += std::string(1 + line * 37 % 9000, 'x') + '\n';
      write_all(fd.get(), text, "log");
    }
  });
  appenders.join();
  std::istringstream log(read_file(mirror.mount("log")));
  std::map<unsigned, unsigned> next;
  unsigned appender = 0, line = 0;
  for (std::string rest; log >> appender >> line >> rest;) {
    ASSERT_EQ(line, next[appender]++) << "of appender " << appender;
    ASSERT_EQ(rest, std::string(1 + line * 37 % 9000, 'x'));
  }
  for (unsigned each = 0; each < kAppenders; ++each) EXPECT_EQ(next[each], kLines);
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

/// Makes files in the directory and appends to one.
void work_in(const UniqueFd& directory, unsigned writer) {
  const auto create = [&](const std::string& name) {
    return UniqueFd(
        check(::openat(directory.get(), name.c_str(), O_CREAT | O_WRONLY, 0600), "openat", name));
  };
  const std::string name = "log" + std::to_string(writer);
  const UniqueFd log = create(name);
  for (int i = 0; i < 60; ++i) {
    write_all(log.get(), "line\n", name);
    const std::string file = name + "." + std::to_string(i);
    write_all(create(file).get(), file, file);
  }
}

TEST_P(Identity, DirectoriesMoveAboveThoseWhoWriteInThem) {
  MirrorMount mirror({.source = GetParam(), .replica = GetParam()});
  mirror.start();
  std::filesystem::create_directories(mirror.mount("a/b/c/d"));
  {
    const UniqueFd directory = open_file(mirror.mount("a/b/c/d"), O_PATH | O_DIRECTORY);
    Workers writers(4, [&](unsigned writer) { work_in(directory, writer); });
    for (int i = 0; i < 40; ++i) {
      rename_to(mirror.mount("a"), mirror.mount("z"));
      rename_to(mirror.mount("z/b/c"), mirror.mount("z/c"));
      rename_to(mirror.mount("z/c"), mirror.mount("z/b/c"));
      rename_to(mirror.mount("z"), mirror.mount("a"));
    }
    writers.join();
  }
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(read_file(mirror.replica("a/b/c/d/log3")).size(), 300U);
  EXPECT_TRUE(is_there(mirror.replica("a/b/c/d/log0.59")));
  mirror.stop();
}

/// Descriptors of the daemon that keep an object without a name alive.
std::size_t nameless_objects_held(pid_t daemon) {
  std::size_t count = 0;
  const Path folder = "/proc/" + std::to_string(daemon) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.ends_with(" (deleted)") && target.find("/tree/") != std::string::npos) ++count;
  }
  return count;
}

TEST_P(Identity, FilesWithoutANameLiveAsLongAsTheyAreOpenAndNoLonger) {
  MirrorMount mirror({.source = GetParam(), .replica = GetParam()});
  mirror.start();
  {
    std::vector<UniqueFd> open;
    for (int i = 0; i < 20; ++i) {
      const Path path = mirror.mount("file" + std::to_string(i));
      open.push_back(open_file(path, O_CREAT | O_RDWR));
      write_all(open.back().get(), "content", path);
      if (i % 2 == 0) {
        unlink_file(path);
      } else {
        write_file(mirror.mount("other"), "other");
        rename_to(mirror.mount("other"), path);
      }
    }
    for (const UniqueFd& fd : open) {
      char bytes[7];
      ASSERT_EQ(::pread(fd.get(), bytes, 7, 0), 7);
      EXPECT_EQ(std::string(bytes, 7), "content");
      EXPECT_EQ(::pwrite(fd.get(), "more", 4, 3), 4);
    }
    EXPECT_TRUE(mirror.identical());
    EXPECT_FALSE(is_there(mirror.replica("file0")));
    EXPECT_EQ(read_file(mirror.replica("file1")), "other");
    EXPECT_GT(nameless_objects_held(mirror.daemon_pid()), 0U);
  }
  EXPECT_TRUE(eventually([&] { return nameless_objects_held(mirror.daemon_pid()) == 0; }));
  mirror.stop();
}

TEST_P(Identity, SizesReachAsFarAsTheSourcesDo) {
  MirrorMount mirror({.source = GetParam(), .replica = GetParam()});
  mirror.start();
  for (const int power : {32, 40, 43, 50, 60}) {
    const off_t end = (1LL << power) + 3;
    const Path name = "file" + std::to_string(power);
    write_file(mirror.source("probe"), "");
    const int refused = ::truncate(mirror.source("probe").c_str(), end + 3) == 0 ? 0 : errno;
    unlink_file(mirror.source("probe"));
    const UniqueFd fd = open_file(mirror.mount(name), O_CREAT | O_RDWR);
    const ssize_t written = ::pwrite(fd.get(), "end", 3, end);
    if (refused != 0) {
      EXPECT_EQ(written, -1) << power;
      EXPECT_EQ(errno, refused) << power;
      continue;
    }
    ASSERT_EQ(written, 3) << power;
    EXPECT_EQ(stat_of(mirror.source(name)).st_size, end + 3);
    char bytes[3];
    EXPECT_EQ(::pread(fd.get(), bytes, 3, end), 3);
    EXPECT_LE(::lseek(fd.get(), 0, SEEK_DATA), end);
    EXPECT_GT(::lseek(fd.get(), 0, SEEK_DATA), end - (1 << 20));
  }
  mirror.wait();
  // Reading holes of an exbibyte is for those who look for data only.
  const Finished verified = mirror.ctl({"verify", mirror.mount().string(), "--full"});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  mirror.stop();
}

TEST_P(Identity, AttributesReachAsFarAsTheSourcesDo) {
  MirrorMount mirror({.source = GetParam(), .replica = GetParam()});
  write_file(mirror.source("probe"), "");
  mirror.start();
  for (const char* const name : {"user.long", "trusted.long", "security.long"}) {
    for (const std::size_t size : {0UL, 1UL, 3000UL, 16'000UL, 65'535UL, 65'536UL}) {
      const Path path = std::string(name) + std::to_string(size);
      write_file(mirror.mount(path), "");
      const std::string value = pattern(size, 7);
      const auto try_on = [&](const Path& target) {
        return ::setxattr(target.c_str(), name, value.data(), size, 0) == 0 ? 0 : errno;
      };
      EXPECT_EQ(try_on(mirror.mount(path)), try_on(mirror.source("probe"))) << path;
      ::removexattr(mirror.source("probe").c_str(), name);
    }
  }
  unlink_file(mirror.mount("probe"));
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

TEST_P(Identity, AppendOnlyFilesCanBeAppendedTo) {
  MirrorMount mirror({.source = GetParam(), .replica = GetParam()});
  write_file(mirror.source("log"), "first\n");
  if (run({"chattr", "+a", mirror.source("log").string()}).exit_code != 0) {
    GTEST_SKIP() << "no append-only files here (tmpfs: Linux 6.6)";
  }
  mirror.start();
  append_to(mirror.mount("log"), "second\n");
  append_to(mirror.mount("log"), "third\n");
  EXPECT_EQ(::open(mirror.mount("log").c_str(), O_WRONLY), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::open(mirror.mount("log").c_str(), O_WRONLY | O_APPEND | O_TRUNC), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_TRUE(mirror.identical());
  EXPECT_EQ(read_file(mirror.replica("log")), "first\nsecond\nthird\n");
  mirror.stop();
  run_or_throw({"chattr", "-a", mirror.source("log").string()});
}

// XFS moves the times of a directory that gets another parent; on the replica that happens later.
TEST_P(Identity, TimesOfMovedDirectoriesAreTheSources) {
  MirrorMount mirror({.source = GetParam(), .replica = GetParam()});
  mirror.start();
  for (const char* name : {"a/moved/below", "a/one", "b/two"}) {
    std::filesystem::create_directories(mirror.mount(name));
  }
  ASSERT_TRUE(mirror.identical());
  mirror.pause();
  std::filesystem::rename(mirror.mount("a/moved"), mirror.mount("b/moved"));
  check(::renameat2(AT_FDCWD, mirror.mount("a/one").c_str(), AT_FDCWD,
                    mirror.mount("b/two").c_str(), RENAME_EXCHANGE),
        "renameat2", "a/one");
  std::this_thread::sleep_for(milliseconds(20));
  mirror.resume();
  EXPECT_TRUE(mirror.identical());
  mirror.stop();
}

INSTANTIATE_TEST_SUITE_P(G2, Identity,
                         testing::Values(Filesystem::kTmpfs, Filesystem::kExt4, Filesystem::kXfs,
                                         Filesystem::kBtrfs),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace mirrorfs::test
