// A mirror for a real program to work in, and the judgement afterwards.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "mirror_mount.h"

namespace mirrorfs::test {

/// How long a load lasts: MIRRORFS_PROGRAM_SECONDS, otherwise a few seconds.
[[nodiscard]] unsigned program_seconds();

/// How many copies of the replica are opened: MIRRORFS_COPIES.
[[nodiscard]] unsigned copies_wanted(unsigned otherwise);

/// Why a test that needs these programs cannot run here; empty when it can.
[[nodiscard]] std::string missing_programs(const std::vector<std::string>& programs);

class ProgramMount {
 public:
  explicit ProgramMount(Filesystem kind, std::vector<std::string> options = {});

  [[nodiscard]] MirrorMount& mirror() { return mirror_; }

  /// Runs a program with the mount as its working directory; throws with its output when it fails.
  std::string run(const std::vector<std::string>& command) const;

  /// A copy of the replica's `relative` as it is at one moment: applying stands still meanwhile.
  void copy_replica(const Path& relative, const Path& to) const;

  /// Replica and source are the same, says mirrorctl, our own comparison, and rsync; also after the
  /// end of the mount.
  void expect_mirrored();

 private:
  MirrorMount mirror_;
};

#define MIRRORFS_SKIP_WITHOUT_PROGRAMS(...)                                           \
  if (const auto why = mirrorfs::test::missing_programs({__VA_ARGS__}); !why.empty()) \
  GTEST_SKIP() << why

}  // namespace mirrorfs::test
