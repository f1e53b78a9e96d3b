// A mirror without some things.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "live_fixture.h"

namespace mirrorfs::testing {

inline struct stat status_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

class LiveExcludeTest : public LiveTest {
 protected:
  void start_without(std::vector<std::string> patterns) {
    MirrorOptions changed = options();
    changed.exclude = std::move(patterns);
    changed.adopt = !paired_;
    paired_ = true;
    start(changed);
  }
  void mirror_without(std::vector<std::string> patterns) {
    start_without(std::move(patterns));
    expect_equal();
  }
  [[nodiscard]] bool on_replica(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::symlink_status(replica_ / path));
  }
  [[nodiscard]] std::uint64_t copied() const { return mirror_->status().bytes_replicated_total; }

  bool paired_ = false;
};

}  // namespace mirrorfs::testing
