// Runs one operation on objects with each of the three histories that replication can meet.
#pragma once

#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "mirror_mount.h"

namespace mirrorfs::test {

/// A scenario of a table, with the name of its test.
struct NamedScenario {
  const char* name;
  void (*prepare)(const Path& directory);
  void (*act)(const Path& directory);
};

struct Scenario {
  std::function<void(const Path& directory)> prepare;
  std::function<void(const Path& directory)> act;
};

/// Both trees on filesystems of their own.
inline MirrorSetup small_pair_on(Filesystem filesystem) {
  return {.source = filesystem,
          .replica = filesystem,
          .source_bytes = 256 << 20,
          .replica_bytes = 256 << 20};
}

/// `prepare` then `act`, in a directory of its own each time: prepared before the mount (so the
/// baseline meets it), prepared and mirrored before `act`, and both in one go. Compares the trees.
inline void run_with_three_histories(const MirrorSetup& setup, const Scenario& scenario) {
  MirrorMount mirror(setup);
  make_directory(mirror.source("old"));
  scenario.prepare(mirror.source("old"));
  mirror.start();
  make_directory(mirror.mount("mirrored"));
  scenario.prepare(mirror.mount("mirrored"));
  make_directory(mirror.mount("fresh"));
  scenario.prepare(mirror.mount("fresh"));
  scenario.act(mirror.mount("fresh"));
  scenario.act(mirror.mount("old"));
  ASSERT_TRUE(mirror.identical());
  scenario.act(mirror.mount("mirrored"));
  EXPECT_TRUE(mirror.identical());
  EXPECT_TRUE(mirror.mount_shows_source());
  mirror.stop();
  EXPECT_TRUE(mirror.trees_equal()) << "after the stop";
}

/// Tests of a table of scenarios, each on two filesystems.
class ThreeHistories : public testing::TestWithParam<std::tuple<Filesystem, const NamedScenario*>> {
};

inline auto on_two_filesystems(const std::vector<NamedScenario>& scenarios) {
  std::vector<ThreeHistories::ParamType> combinations;
  for (const Filesystem filesystem : {Filesystem::kTmpfs, Filesystem::kExt4}) {
    for (const NamedScenario& each : scenarios) combinations.emplace_back(filesystem, &each);
  }
  return testing::ValuesIn(combinations);
}

inline std::string name_of_scenario(const testing::TestParamInfo<ThreeHistories::ParamType>& test) {
  const auto& [filesystem, each] = test.param;
  return std::string(each->name) + "_" + to_string(filesystem);
}

}  // namespace mirrorfs::test
