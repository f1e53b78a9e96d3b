// G1, G2, G3: what is written as a whole past the daemon arrives, in its place.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "passthrough_fixture.h"

namespace mirrorfs::test {
namespace {

class PassedWriters : public Passthrough {
 protected:
  void SetUp() override {
    Passthrough::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) let_writers_pass();
  }
};

TEST_P(PassedWriters, WhatIsWrittenAsAWholeArrives) {
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
TEST_P(PassedWriters, WhatIsRenamedOverAnotherHasItsContent) {
  constexpr std::size_t kLarge = (1U << 20) + 7;
  write_file(mirror().mount("config"), pattern(kLarge, 0));
  mirror().wait();
  ChildProcess writer = ChildProcess::fork_off([&] {
    for (unsigned version = 1; version <= 100; ++version) {
      write_file(mirror().mount("config.new"), pattern(kLarge, version));
      rename_to(mirror().mount("config.new"), mirror().mount("config"));
    }
  });
  std::optional<int> ended;
  std::size_t looks = 0;
  while (!(ended = writer.wait(milliseconds(0)))) {
    ASSERT_EQ(read_file(mirror().replica("config")).size(), kLarge) << "after " << looks;
    ++looks;
  }
  EXPECT_EQ(ended, 0);
  EXPECT_GT(looks, 0U);
  EXPECT_TRUE(mirror().identical());
}

TEST_P(PassedWriters, OpenWritersSurviveTheDaemon) {
  make_directory(mirror().mount("d"));
  let_writers_pass("d");
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

TEST_P(PassedWriters, SetIdBitsGivenToAnOpenFileGoWithTheNextWrite) {
  make_directory(mirror().mount("d"), 0777);
  change_mode(mirror().mount("d"), 0777);
  let_writers_pass("d");
  const std::uint64_t before = passed(mirror());
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

TEST_P(PassedWriters, WritersBesideAWriter) {
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

INSTANTIATE_TEST_SUITE_P(On, PassedWriters, kPassthroughFilesystems, [](const auto& one) {
  return one.param == Filesystem::kTmpfs ? "tmpfs" : "ext4";
});

}  // namespace
}  // namespace mirrorfs::test
