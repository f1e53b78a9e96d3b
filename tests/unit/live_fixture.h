// A source, a replica and a running engine between them, in a temporary folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "mirrorfs/mirror.h"
#include "mirrorfs/tree_tools.h"
#include "source_driver.h"

namespace mirrorfs::testing {

class LiveTest : public ::testing::Test {
 protected:
  LiveTest();
  ~LiveTest() override;

  /// Opens and starts the engine; fails the test when it is refused.
  void start();
  void start(const MirrorOptions& changed);
  void start_with_queue_of(std::uint64_t bytes);
  /// Stops it; true: cleanly.
  bool stop(std::chrono::milliseconds patience = std::chrono::seconds(30));
  /// As a crash would: nothing is drained, nothing recorded.
  void crash();

  [[nodiscard]] MirrorOptions options() const;
  void put_source(const std::string& path, std::string_view content) const;
  void put_replica(const std::string& path, std::string_view content) const;
  [[nodiscard]] std::string replica_content(const std::string& path) const;
  /// For ten seconds at most: whether it ever came is the caller's to see.
  void wait_for_replica(const std::string& path, std::string_view content) const;

  /// Waits for convergence and compares everything.
  void expect_equal();
  void expect_trees_equal() const;

  std::filesystem::path base_, source_, replica_, state_;
  bool crashed_ = false;
  mode_t umask_ = 0;  ///< of the process, given back at the end
  std::unique_ptr<Mirror> mirror_;
  std::unique_ptr<SourceDriver> driver_;
};

}  // namespace mirrorfs::testing
