// A running engine whose replica is a FailingFilesystem.
#pragma once

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include "failing_filesystem.h"
#include "live_fixture.h"
#include "tree_fixture.h"

namespace mirrorfs::testing {

class FailingReplicaTest : public LiveTest {
 protected:
  void SetUp() override {
    MIRRORFS_NEEDS_ROOT();
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/fuse to be opened";
    std::filesystem::create_directory(base_ / "backing");
    filesystem_.emplace(base_ / "backing", replica_, 0, serving());
    ASSERT_TRUE(filesystem_->mounted());
  }
  void TearDown() override {
    if (filesystem_) filesystem_->faults().heal();
    if (mirror_) stop();
    driver_.reset();
    mirror_.reset();
    filesystem_.reset();
  }

  [[nodiscard]] virtual FailingFilesystem::Serving serving() const {
    return FailingFilesystem::Serving::kByOneThread;
  }

  /// Within ten seconds.
  static bool eventually(const std::function<bool()>& holds) {
    for (int look = 0; look < 1000; ++look) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  std::optional<FailingFilesystem> filesystem_;
};

}  // namespace mirrorfs::testing
