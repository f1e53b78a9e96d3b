// The engine's front door: one replicated pair of trees.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/examine.h"
#include "mirrorfs/losses.h"
#include "mirrorfs/removal_limit.h"
#include "mirrorfs/replicator.h"
#include "mirrorfs/status.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs {

enum class Mode { kAsync, kFsync, kSync };
enum class Overflow { kCatchUp, kThrottle };
enum class OnReplicaError { kDegrade, kFail };
enum class Check { kNone, kQuick, kFull };
/// kOff: no marks are kept on disk, for measurements.
enum class JournalKind { kFast, kDurable, kOff };

[[nodiscard]] std::string_view to_string(Mode mode);  ///< as on the command line
[[nodiscard]] std::string_view to_string(Overflow overflow);
[[nodiscard]] std::string_view to_string(OnReplicaError on_error);

/// What can be changed while the mirror runs.
struct MirrorSettings {
  Mode mode = Mode::kAsync;
  Overflow overflow = Overflow::kCatchUp;
  OnReplicaError on_replica_error = OnReplicaError::kDegrade;
  std::uint64_t queue_size = 256ULL << 20;  ///< bytes
  std::chrono::seconds scrub{0};            ///< a pass takes about so long; 0: off
  std::uint64_t rate_limit = 0;             ///< bytes per second that reconciles read; 0: no limit
};

/// The name in the replica's root that is ours: pairing record, lock and staging area. It is never
/// mirrored; fs hides it in the source's root.
inline constexpr const char* kReservedName = ".mirrorfs";

struct MirrorOptions {
  std::filesystem::path source;  ///< as given; resolved once, at start
  std::filesystem::path replica;
  std::filesystem::path mount_point;  ///< only to refuse nesting; empty: not checked
  std::filesystem::path state_dir;    ///< empty: /var/lib/mirrorfs or $XDG_STATE_HOME/mirrorfs
  Mode mode = Mode::kAsync;
  Overflow overflow = Overflow::kCatchUp;
  OnReplicaError on_replica_error = OnReplicaError::kDegrade;
  Check check = Check::kQuick;
  JournalKind journal = JournalKind::kFast;
  std::uint64_t queue_size = 256ULL << 20;  ///< bytes
  std::chrono::seconds scrub{0};            ///< a pass takes about so long; 0: off
  std::uint64_t rate_limit = 0;             ///< bytes per second that reconciles read; 0: no limit
  bool adopt = false;
  bool one_file_system = false;  ///< nothing is mirrored that is mounted inside the source
  /// What is not mirrored, and left alone on the replica: patterns by the rules of gitignore(5).
  std::vector<std::string> exclude;
  RemovalLimit max_delete;  ///< of the baseline
  Losses tolerate;          ///< what the replica's filesystem need not hold
  /// How long after an outage a server may carry out what it was asked before, besides the outage's
  /// own length (engine/live/late_requests.h). Only of filesystems that may have a server.
  std::chrono::milliseconds late_requests{5000};
};

/// Lives from before the mount until after it. Members are safe from any thread.
class Mirror {
 public:
  /// Opens both trees, checks nesting and pairing (G8), takes the replica's lock, probes io_uring
  /// and what the replica's filesystem can hold (G9).
  /// Changes neither tree when it fails. The error's message is one line fit for the user.
  /// No thread is started: the caller may still fork.
  [[nodiscard]] static std::expected<std::unique_ptr<Mirror>, std::string> open(
      const MirrorOptions& options);
  virtual ~Mirror() = default;

  /// What open() met that is harmless but not meant: one line each, fit for the user.
  [[nodiscard]] virtual std::vector<std::string> warnings() const { return {}; }

  /// `call` is called by any thread, often, when the status may have changed: it must be cheap, and
  /// never block. Before start().
  virtual void on_activity(std::function<void()> call) = 0;

  /// Starts the engine's threads and the baseline.
  [[nodiscard]] virtual Result<void> start() = 0;

  [[nodiscard]] virtual Replicator& replicator() = 0;

  /// The root of the source and of the replica: O_RDONLY|O_DIRECTORY descriptors, valid as long as
  /// the Mirror. They see below a mount made over SRC later.
  [[nodiscard]] virtual int source_root() const = 0;
  [[nodiscard]] virtual int replica_root() const = 0;

  /// After stop(): as it was in the end.
  [[nodiscard]] virtual EngineStatus status() const = 0;

  [[nodiscard]] virtual MirrorSettings settings() const = 0;
  /// For what is asked from now on: whoever waits already goes on waiting as before, but for room
  /// in the queue.
  virtual void change(const MirrorSettings& settings) = 0;

  /// True when all that completed before the call is durable on the replica; false on timeout.
  [[nodiscard]] virtual bool wait(std::optional<std::chrono::milliseconds> timeout) = 0;

  /// The same of what completed on these paths, and below those that are directories, whatever is
  /// marked or compared elsewhere. Relative to the root; one that the source lacks stands for its
  /// name. Never true too early: where it cannot be told what belongs to the paths, as after
  /// something was moved away from them, it is when everything is durable.
  [[nodiscard]] virtual bool wait_for_paths(const std::vector<std::string>& paths,
                                            std::optional<std::chrono::milliseconds> timeout) = 0;

  /// What a comparison of the trees has found is looked at again, one finding for each path. Blocks
  /// until `given_up`, which is asked a few times a second.
  [[nodiscard]] virtual std::vector<Examined> examine(const ExamineRequest& request,
                                                      const std::function<bool()>& given_up) = 0;

  /// Operations queue from now on. True when those under way have ended, so that the replica stands
  /// still; false when they have not within five seconds: one of them may hang.
  [[nodiscard]] virtual bool pause() = 0;
  virtual void resume() = 0;

  /// Applies what is queued, syncs the replica, records a clean stop, ends the threads. Returns
  /// false when that was not done within the time (the pair is then left marked unclean). Call it
  /// once, after the last record().
  [[nodiscard]] virtual bool stop(std::optional<std::chrono::milliseconds> drain_timeout) = 0;
};

}  // namespace mirrorfs
