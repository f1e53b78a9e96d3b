// What a sync asks of the kernel, by the counters in its report: one statx for each object, on the
// ring, and many operations for each system call.
#include <gtest/gtest.h>
#include <unistd.h>

#include <numeric>

#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

class TreeCost : public TreeTest {
 protected:
  void make_files(const fs::path& folder, int count, std::size_t size) {
    fs::create_directories(folder);
    const std::string content(size, 'c');
    for (int i = 0; i < count; ++i) write_file(folder / ("file" + std::to_string(i)), content);
  }
  /// What was changed a moment ago may still be changing, and is looked at twice.
  static void let_the_clock_pass() { ::usleep(50'000); }
};

#define MIRRORFS_NEEDS_ALL_OPCODES(ring) \
  if ((ring).direct_calls > 0) GTEST_SKIP() << "this kernel lacks opcodes"

TEST_F(TreeCost, IsReported) {
  make_files(source_, 10, 7);
  const RingUse ring = sync().ring;
  const auto add = [](std::uint64_t sum, const auto& opcode) { return sum + opcode.second; };
  const std::uint64_t sum =
      std::accumulate(ring.by_opcode.begin(), ring.by_opcode.end(), std::uint64_t{0}, add);
  EXPECT_EQ(sum, ring.operations);
  EXPECT_GT(ring.enters, 0U);
  MIRRORFS_NEEDS_ALL_OPCODES(ring);
  EXPECT_EQ(ring.by_opcode.at("write"), 10U);
}

TEST_F(TreeCost, ACopyLooksOnceAtEachObject) {
  for (int d = 0; d < 10; ++d) make_files(source_ / ("folder" + std::to_string(d)), 50, 4096);
  make_files(source_ / "large", 3, 1 << 20);
  fs::create_symlink("nowhere", source_ / "link");
  ASSERT_EQ(::mkfifo((source_ / "fifo").c_str(), 0600), 0);
  for (int i = 0; i < 20; ++i) {
    const std::string name = "file" + std::to_string(i);
    fs::create_hard_link(source_ / "folder0" / name, source_ / ("linked " + name));
  }
  let_the_clock_pass();
  const SyncReport report = sync();
  EXPECT_TRUE(report.failures.empty());
  MIRRORFS_NEEDS_ALL_OPCODES(report.ring);
  constexpr std::uint64_t kObjects = 10 + 500 + 1 + 3 + 2 + 20;
  constexpr std::uint64_t kRoots = 2;
  constexpr std::uint64_t kFirstFileMade = 1;  // shows the owner of new files
  EXPECT_EQ(report.ring.by_opcode.at("statx"), kObjects + kRoots + kFirstFileMade);
  EXPECT_FALSE(report.ring.by_opcode.contains("fallocate"));
  EXPECT_GE(report.ring.operations, 8 * report.ring.enters);
  expect_equal();
}

TEST_F(TreeCost, WhereNothingIsToBeDoneEachSideIsLookedAtOnce) {
  make_files(source_ / "folder", 200, 100);
  sync_and_expect_equal();
  const SyncReport report = sync();
  MIRRORFS_NEEDS_ALL_OPCODES(report.ring);
  EXPECT_EQ(report.ring.by_opcode.at("statx"), 2 * (200 + 1 + 1));
  EXPECT_FALSE(report.ring.by_opcode.contains("read"));
}

TEST_F(TreeCost, LargeFilesTakeFewSystemCalls) {
  make_files(source_, 5, 10 << 20);
  let_the_clock_pass();
  const SyncReport report = sync();
  EXPECT_EQ(report.files_copied, 5U);
  MIRRORFS_NEEDS_ALL_OPCODES(report.ring);
  EXPECT_LE(report.ring.enters, 5 * 40U);
}

}  // namespace
}  // namespace mirrorfs::testing
