// The engine as the simulation sees it: the one place that knows its interface.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "driver.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::simulation {

/// Something that is waited for; the engine sets it.
struct Awaited {
  bool done = false;
  bool good = false;
};
using AwaitedRef = std::shared_ptr<Awaited>;

/// One session of the engine, on the thread of the simulation, on a simulated ring.
class EngineUnderTest {
 public:
  /// Opens what the engine keeps open for the life of the process.
  static void prepare();
  /// Opens the pair and starts a session; the line that refuses it otherwise.
  [[nodiscard]] static std::expected<std::unique_ptr<EngineUnderTest>, std::string> start(
      const MirrorOptions& options, std::unique_ptr<Driver> driver);
  virtual ~EngineUnderTest() = default;

  /// Until it was drained, or dropped from within.
  virtual void run() = 0;
  /// run() returns as soon as the scheduler does, without anything more being done.
  virtual void cut() = 0;

  // What handlers do.
  [[nodiscard]] virtual bool has_room(std::size_t payload) = 0;
  [[nodiscard]] virtual Admission admit(std::size_t payload) = 0;
  virtual SequenceNumber record(Admission admission, Operation operation) = 0;
  /// Null: there is nothing to wait for in this mode.
  [[nodiscard]] virtual AwaitedRef settle(SequenceNumber number) = 0;
  [[nodiscard]] virtual AwaitedRef settle_barrier(SequenceNumber number) = 0;

  // What the daemon and mirrorctl do.
  [[nodiscard]] virtual EngineStatus status() = 0;
  [[nodiscard]] virtual AwaitedRef wait_durable() = 0;
  [[nodiscard]] virtual AwaitedRef pause() = 0;
  virtual void resume() = 0;
  /// The clean stop: run() returns some time after it was answered.
  [[nodiscard]] virtual AwaitedRef drain() = 0;
};

}  // namespace mirrorfs::simulation
