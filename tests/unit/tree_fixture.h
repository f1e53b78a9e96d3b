// Two trees in a temporary folder, and an own, independent look at what they hold.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "mirrorfs/tree_tools.h"

namespace mirrorfs::testing {

namespace fs = std::filesystem;

/// What one object is, by plain path calls: type, mode, owner, mtime, size, content, target,
/// device, xattrs and the first name of its hard link group. Keyed by path; "" is the root.
using Snapshot = std::map<std::string, std::string>;
[[nodiscard]] Snapshot snapshot_of(const fs::path& root);

/// "path: ours | theirs" for every difference; empty when equal.
[[nodiscard]] std::string differences(const Snapshot& ours, const Snapshot& theirs);

[[nodiscard]] SyncOptions checking(Check check);

class TreeTest : public ::testing::Test {
 protected:
  TreeTest();
  ~TreeTest() override;

  SyncReport sync(SyncOptions options = {});
  VerifyReport verify(VerifyOptions options = {});
  /// sync() without failures, after which both trees are equal and a second sync finds nothing to
  /// do.
  void sync_and_expect_equal(Check check = Check::kQuick);
  void expect_equal();

  /// Runs `body` in a child process as uid and gid 65534, owner of both roots; it returns what is
  /// wrong.
  void as_ordinary_user(const std::function<std::string()>& body);

  fs::path root_, source_, replica_;
};

void write_file(const fs::path& path, std::string_view content);
[[nodiscard]] std::string read_file(const fs::path& path);
void set_mtime(const fs::path& path, time_t seconds, long nanoseconds = 0);
void copy_mtime(const fs::path& from, const fs::path& to);
[[nodiscard]] struct stat status_of(const fs::path& path);
[[nodiscard]] bool is_root();

#define MIRRORFS_NEEDS_ROOT() \
  if (!::mirrorfs::testing::is_root()) GTEST_SKIP() << "needs root"

}  // namespace mirrorfs::testing
