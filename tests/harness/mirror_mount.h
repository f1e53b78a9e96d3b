// One real mirror: SRC, DST, MNT in a fresh directory, and the built programs.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "process.h"
#include "sandbox.h"
#include "watchdog.h"

namespace mirrorfs::test {

struct MirrorSetup {
  Filesystem source = Filesystem::kTmpfs;
  Filesystem replica = Filesystem::kTmpfs;
  std::uint64_t source_bytes = 1ULL << 30;
  std::uint64_t replica_bytes = 1ULL << 30;
  std::vector<std::string> options = {};  ///< for mirrorfs
  bool over_itself = false;               ///< MNT is SRC
  bool daemonised = false;                ///< without -f
  std::optional<uid_t> user = {};         ///< owns the trees and runs the programs
  std::chrono::seconds patience{90};      ///< from start() to stop()
};

enum class StopBy { kUmount, kFusermount, kSigterm, kSigint };

/// What tests look at in `mirrorctl status --json`.
struct Status {
  std::string json;
  std::string state, last_error;
  std::uint64_t queued_ops = 0, queued_bytes = 0, marks = 0, errors_total = 0;
  std::uint64_t baseline_files_done = 0;
  bool baseline_running = false;
};

/// Used by one thread (the watchdog has its own). Whatever is left is cleaned up when destroyed; a
/// failed test then shows the end of the daemon's log.
class MirrorMount {
 public:
  explicit MirrorMount(MirrorSetup setup = {});
  ~MirrorMount();
  MirrorMount(const MirrorMount&) = delete;
  MirrorMount& operator=(const MirrorMount&) = delete;

  /// Paths below the source (past a mount made over it), the replica and the mount.
  [[nodiscard]] Path source(const Path& relative = {}) const {
    return below(source_view_, relative);
  }
  [[nodiscard]] Path replica(const Path& relative = {}) const { return below(replica_, relative); }
  [[nodiscard]] Path mount(const Path& relative = {}) const { return below(mount_, relative); }
  [[nodiscard]] const Path& base() const { return directory_.path(); }
  [[nodiscard]] Path state_directory() const { return base() / "state"; }
  [[nodiscard]] const OwnFilesystem& replica_filesystem() const { return *replica_filesystem_; }

  /// The arguments of mirrorfs: options, then SRC DST MNT.
  [[nodiscard]] std::vector<std::string> command(const std::vector<std::string>& more = {}) const;

  /// Starts the daemon and returns when the mount answers. Throws when it does not.
  void start(const std::vector<std::string>& more_options = {});
  /// Starts the daemon, and does as crash() does after that time, whether it answers by then or
  /// not.
  void start_and_crash(milliseconds after);
  [[nodiscard]] pid_t daemon_pid() const { return daemon_->pid(); }
  [[nodiscard]] bool daemon_runs();

  /// Ends the mount; records failures when the daemon does not end with 0 or anything is left.
  void stop(StopBy how = StopBy::kUmount);
  /// Only asks for the end; returns at once.
  void request_stop(StopBy how) const;
  /// Waits until the daemon is gone; its exit code.
  [[nodiscard]] std::optional<int> wait_until_gone(milliseconds timeout = milliseconds(60'000));
  /// SIGSTOP: when it returns, no thread of the daemon is in a call of its own any more. Only
  /// crash() may follow.
  void freeze();
  /// kill -9, then removes the dead mount.
  void crash();
  /// Aborts the FUSE connection, as an administrator would.
  void abort_connection() const;

  [[nodiscard]] Finished ctl(const std::vector<std::string>& arguments) const;
  [[nodiscard]] Status status() const;
  void pause() const;
  void resume() const;
  void wait() const;  ///< mirrorctl wait; throws when it does not return 0

  /// `wait` and `verify --full` return 0, and an independent comparison finds nothing.
  [[nodiscard]] testing::AssertionResult identical() const;
  /// The independent comparison alone.
  [[nodiscard]] testing::AssertionResult trees_equal() const;
  /// The mount shows what the source holds.
  [[nodiscard]] testing::AssertionResult mount_shows_source() const;
  [[nodiscard]] testing::AssertionResult rsync_finds_nothing() const;

  [[nodiscard]] std::string log_tail() const;

 private:
  static Path below(const Path& root, const Path& relative) {
    return relative.empty() ? root : root / relative;
  }
  void make_tree(Filesystem kind, const char* name, std::uint64_t bytes,
                 std::unique_ptr<OwnFilesystem>& filesystem, Path& tree);
  void hand_over_to_user();
  void launch(const std::vector<std::string>& command);
  void wait_until_it_answers();
  void clean_up() noexcept;
  [[nodiscard]] RunOptions as_user() const;

  MirrorSetup setup_;
  TempDir directory_;
  std::unique_ptr<OwnFilesystem> source_filesystem_, replica_filesystem_;
  Path mirrorfs_ = MIRRORFS_PROGRAM, mirrorctl_ = MIRRORCTL_PROGRAM;
  Path source_, source_view_, replica_, mount_;
  std::optional<ChildProcess> daemon_;
  std::unique_ptr<Watchdog> watchdog_;
};

}  // namespace mirrorfs::test
