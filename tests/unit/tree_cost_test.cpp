// What a sync asks of the kernel, by the counters in its report.
#include <gtest/gtest.h>

#include <numeric>

#include "tree_fixture.h"

namespace mirrorfs::testing {
namespace {

class TreeCost : public TreeTest {
 protected:
  void make_files(int count) {
    for (int i = 0; i < count; ++i) write_file(source_ / ("file" + std::to_string(i)), "content");
  }
};

TEST_F(TreeCost, IsReported) {
  make_files(10);
  const RingUse ring = sync().ring;
  const auto add = [](std::uint64_t sum, const auto& opcode) { return sum + opcode.second; };
  const std::uint64_t sum =
      std::accumulate(ring.by_opcode.begin(), ring.by_opcode.end(), std::uint64_t{0}, add);
  EXPECT_EQ(sum, ring.operations);
  EXPECT_GT(ring.enters, 0U);
  if (ring.direct_calls > 0) GTEST_SKIP() << "this kernel lacks opcodes";
  EXPECT_EQ(ring.by_opcode.at("read"), 10U);
  EXPECT_EQ(ring.by_opcode.at("write"), 10U);
  EXPECT_EQ(ring.by_opcode.at("renameat"), 10U);
}

}  // namespace
}  // namespace mirrorfs::testing
