// The engine as the simulation sees it: the one place that knows more of it than the Replicator.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "driver.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::simulation {

/// Something that is waited for; the engine sets it.
struct Awaited {
  bool done = false;
  bool good = false;
  bool promised = false;  ///< the engine claimed to keep order and durability when it answered
};
/// What the operator's verify found to differ, with its paths.
struct Examination {
  bool done = false;
  bool undecided = false;  ///< of some path nothing could be said in time
  std::vector<std::string> differing;
};
using ExaminationRef = std::shared_ptr<Examination>;
using AwaitedRef = std::shared_ptr<Awaited>;

/// One session of the engine, on the thread of the simulation, on a simulated ring.
class EngineUnderTest {
 public:
  /// Opens what the engine keeps open for the life of the process.
  static void prepare();
  /// Opens the pair and starts a session; the line that refuses it otherwise.
  [[nodiscard]] static std::expected<std::unique_ptr<EngineUnderTest>, std::string> start(
      const MirrorOptions& options, const std::string& boot, std::unique_ptr<Driver> driver);
  virtual ~EngineUnderTest() = default;

  /// Until it was drained, or cut.
  virtual void run() = 0;
  /// run() returns as soon as the scheduler does, without anything more being done.
  virtual void cut() = 0;

  /// For handlers.
  [[nodiscard]] virtual Replicator& replicator() = 0;

  // What the daemon and mirrorctl do.
  [[nodiscard]] virtual EngineStatus status() = 0;
  [[nodiscard]] virtual AwaitedRef wait_durable() = 0;
  [[nodiscard]] virtual AwaitedRef wait_for_paths(std::vector<std::string> paths) = 0;
  [[nodiscard]] virtual ExaminationRef examine(ExamineRequest request) = 0;
  [[nodiscard]] virtual AwaitedRef pause() = 0;
  virtual void resume() = 0;
  /// The clean stop: run() returns some time after it was answered.
  [[nodiscard]] virtual AwaitedRef drain() = 0;
};

}  // namespace mirrorfs::simulation
