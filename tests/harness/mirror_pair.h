// Trees by name in one directory, mounted in any direction by the built programs: for tests of
// roles, where SRC and DST change places.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "process.h"
#include "sandbox.h"

namespace mirrorfs::test {

class MirrorPair {
 public:
  /// Makes "s", "d", "m" and "state".
  MirrorPair();
  MirrorPair(const MirrorPair&) = delete;
  MirrorPair& operator=(const MirrorPair&) = delete;
  ~MirrorPair();

  [[nodiscard]] Path path(const Path& relative) const { return base_.path() / relative; }

  /// mirrorfs OPTIONS FROM TO MNT.
  [[nodiscard]] Finished mirrorfs(const std::string& from, const std::string& to,
                                  const std::vector<std::string>& options = {},
                                  const std::string& mount = "m") const;
  [[nodiscard]] Finished ctl(const std::vector<std::string>& words) const;
  /// A line of shell in the directory, with both programs on PATH.
  [[nodiscard]] Finished shell(const std::string& line) const;

  /// Throws unless it mounts.
  void mount(const std::string& from = "s", const std::string& to = "d",
             const std::vector<std::string>& options = {}, const std::string& mount = "m") const;
  /// Waits for the daemon's end; throws when it was not clean.
  void unmount(const std::string& mount = "m") const;
  /// kill -9 of the daemon, and the dead mount is removed.
  void crash(const std::string& mount = "m") const;
  void wait(const std::string& mount = "m") const;

  /// "file0", "file1", … in a tree.
  void fill(const std::string& tree, int files) const;
  /// Mounted, in sync, unmounted, and found equal.
  void mirror_once() const;

  /// Exit code 2, one line that has `hint`, nothing mounted, and the replica as it was.
  void expect_refused(const std::string& from, const std::string& to, const std::string& hint,
                      const std::vector<std::string>& options = {},
                      const std::string& mount = "m") const;
  /// "" if they are equal.
  [[nodiscard]] std::string differences(const std::string& a, const std::string& b) const;
  /// What was kept in a tree: "path: content" of each file, sorted; the folders named by time are
  /// left out.
  [[nodiscard]] std::vector<std::string> kept_in(const std::string& tree) const;
  [[nodiscard]] std::string log() const;

 private:
  [[nodiscard]] RunOptions options() const;
  TempDir base_;
};

}  // namespace mirrorfs::test
