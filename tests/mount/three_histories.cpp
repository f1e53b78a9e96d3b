#include "three_histories.h"

namespace mirrorfs::test {

TEST_P(ThreeHistories, ArriveAtTheReplica) {
  MIRRORFS_SKIP_UNLESS_MOUNTS_WORK();
  const auto& [filesystem, each] = GetParam();
  run_with_three_histories(small_pair_on(filesystem), {each->prepare, each->act});
}

}  // namespace mirrorfs::test
