// G3: what is written past the daemon has its place in the stream. Mutants: before_change() that
// captures nothing; capture_written() left out of pass_barrier(); after_change() that does not
// look.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/handlers/mounted.h"

namespace mirrorfs::testing {
namespace {

class PassedWriter : public Mounted {
 protected:
  void SetUp() override {
    Mounted::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    // One of them shows that the source keeps nanoseconds.
    for (const char* const name : {"n1", "n2", "n3", "n4", "n5", "old"}) make_file(name, "x");
    make_file("large", std::string(1 << 20, 'x'));  // so that others like it are expected
    if (!session().passthrough_use().available) GTEST_SKIP() << "no FUSE passthrough here";
    close_and_settle(open("probe", O_WRONLY | O_CREAT));
    if (session().passthrough_use().opens == 0) {
      GTEST_SKIP() << "ctime does not show every write here (Linux 6.13; btrfs, ext4, tmpfs, xfs)";
    }
    (void)take();
  }
  [[nodiscard]] bool passthrough() const override { return true; }

  UniqueFd written(const std::string& name, std::string_view content) {
    UniqueFd fd = open(name, O_WRONLY | O_CREAT);
    write(fd, content);
    return fd;
  }
  static void write(const UniqueFd& fd, std::string_view content) {
    ASSERT_EQ(::write(fd.get(), content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
  }
  /// RELEASE comes some time after close(2).
  void close_and_settle(UniqueFd fd) {
    fd.reset();
    for (int look = 0; look < 1000 && session().known_nodes() > 0; ++look) ::usleep(200);
  }

  /// What came, in order, without what only tells of places.
  std::string kinds() {
    std::string letters;
    for (const Operation& operation : take()) letters += letter(operation);
    return letters;
  }

 private:
  static std::string letter(const Operation& operation) {
    if (const auto* write = std::get_if<Write>(&operation)) return "W(" + text(write->data) + ")";
    if (std::holds_alternative<CreateNode>(operation)) return "C";
    if (std::holds_alternative<Barrier>(operation)) return "B";
    if (std::holds_alternative<Rename>(operation)) return "R";
    if (std::holds_alternative<Link>(operation)) return "L";
    if (std::holds_alternative<SetAttributes>(operation)) return "A";
    if (std::holds_alternative<Truncate>(operation)) return "T";
    if (std::holds_alternative<Unknown>(operation)) return "?";
    return std::holds_alternative<Unlink>(operation) ? "U" : "";
  }
};

/// Operations until `last` is among them.
#define EXPECT_EVENTUALLY(expected)                                \
  do {                                                             \
    std::string seen;                                              \
    for (int look = 0; look < 500 && seen != (expected); ++look) { \
      seen += kinds();                                             \
      if (seen != (expected)) ::usleep(2000);                      \
    }                                                              \
    EXPECT_EQ(seen, expected);                                     \
  } while (false)

TEST_F(PassedWriter, IsCapturedWhenItIsClosed) {
  UniqueFd fd = written("a", "content");
  fd.reset();
  EXPECT_EVENTUALLY("CW(content)");
}

TEST_F(PassedWriter, WhatReplacesALargeFileIsExpectedToBeLarge) {
  std::filesystem::create_directory(source("d"));
  for (const char* const name : {"d/large", "d/small"}) std::ofstream(source(name)) << "x";
  std::filesystem::resize_file(source("d/large"), 1 << 20);
  const auto passes = [this](const std::string& name) {
    const std::uint64_t before = session().passthrough_use().opens;
    close_and_settle(open(name, O_WRONLY | O_TRUNC));
    return session().passthrough_use().opens > before;
  };
  EXPECT_FALSE(passes("d/small"));
  EXPECT_TRUE(passes("d/large"));
  EXPECT_TRUE(passes("d/small")) << "beside it";
}

TEST_F(PassedWriter, IsCapturedByItself) {
  const UniqueFd fd = written("a", "one");
  EXPECT_EVENTUALLY("CW(one)");
  write(fd, ",two");
  EXPECT_EVENTUALLY("W(one,two)");
}

TEST_F(PassedWriter, ComesBeforeItsOwnBarrier) {
  const UniqueFd fd = written("a", "content");
  ASSERT_EQ(::fsync(fd.get()), 0);
  EXPECT_EQ(kinds(), "CW(content)B");
}

TEST_F(PassedWriter, ComesBeforeTheBarrierOfAnyOther) {
  const UniqueFd other = open("old", O_RDWR);
  const UniqueFd fd = written("a", "content");
  ASSERT_EQ(::fsync(other.get()), 0);
  EXPECT_EQ(kinds(), "CW(content)B");
}

TEST_F(PassedWriter, ComesBeforeItsNewName) {
  UniqueFd fd = written("a", "content");
  fd.reset();  // RELEASE may be on its way still
  ASSERT_EQ(::rename(mount("a").c_str(), mount("old").c_str()), 0);
  EXPECT_EQ(kinds(), "CW(content)R");
}

TEST_F(PassedWriter, ComesBeforeItsNewNameWhileItIsOpen) {
  const UniqueFd fd = written("a", "content");
  ASSERT_EQ(::link(mount("a").c_str(), mount("b").c_str()), 0);
  EXPECT_EQ(kinds(), "CW(content)L");
}

// futimens(2) hides that the file was written: tar, cp -p, rsync.
TEST_F(PassedWriter, IsReadOnceThoughItsAttributesAreSet) {
  UniqueFd fd = written("a", "content");
  const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 1}, {.tv_sec = 1, .tv_nsec = 1}};
  ASSERT_EQ(::futimens(fd.get(), times), 0);
  ASSERT_EQ(::fchmod(fd.get(), 0640), 0);
  close_and_settle(std::move(fd));
  ::usleep(100'000);
  EXPECT_EQ(kinds(), "CW(content)AA");
}

TEST_F(PassedWriter, WhatFollowsAnAttributeIsReadAgain) {
  UniqueFd fd = written("a", "content");
  const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 1}, {.tv_sec = 1, .tv_nsec = 1}};
  ASSERT_EQ(::futimens(fd.get(), times), 0);
  write(fd, "!");
  fd.reset();
  EXPECT_EVENTUALLY("CW(content)AW(content!)");
}

TEST_F(PassedWriter, IsNotReadOnceItIsGone) {
  UniqueFd fd = open("a", O_WRONLY | O_CREAT);
  ASSERT_EQ(::unlink(mount("a").c_str()), 0);
  write(fd, "content");
  close_and_settle(std::move(fd));
  ::usleep(100'000);
  EXPECT_EQ(kinds(), "CU");
}

TEST_F(PassedWriter, TooMuchToReadIsCompared) {
  UniqueFd fd = open("a", O_WRONLY | O_CREAT);
  write(fd, std::string(5U << 20, 'x'));
  close_and_settle(std::move(fd));
  ::usleep(200'000);
  const std::string seen = kinds();
  EXPECT_EQ(seen.substr(0, 2), "C?") << seen.substr(0, 10);
  EXPECT_EQ(replicator_.take_abandoned().at(0).entries()[0], at_root("a"));
}

TEST_F(PassedWriter, HolesAreCompared) {
  UniqueFd fd = open("a", O_WRONLY | O_CREAT);
  ASSERT_EQ(::pwrite(fd.get(), "x", 1, 1U << 20), 1);
  close_and_settle(std::move(fd));
  ::usleep(200'000);
  EXPECT_EQ(kinds(), "C?");
}

TEST_F(PassedWriter, OnlySoManyAreWatched) {
  std::vector<UniqueFd> open_files;
  const std::uint64_t before = session().passthrough_use().opens;
  for (int number = 0; number < 100; ++number) {
    open_files.push_back(open("f" + std::to_string(number), O_WRONLY | O_CREAT));
  }
  EXPECT_EQ(session().passthrough_use().opens - before, 64U);
}

TEST_F(PassedWriter, IsOutdatedUntilItIsCaptured) {
  const UniqueFd fd = open("a", O_WRONLY | O_CREAT);
  EXPECT_EQ(session().outdated_files(), 0U);
  write(fd, "content");
  session().capture_open_files();
  EXPECT_EQ(session().outdated_files(), 0U);
  EXPECT_EQ(kinds(), "CW(content)");
}

}  // namespace
}  // namespace mirrorfs::testing
