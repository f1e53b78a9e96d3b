// The operations of one request, as fs/handlers/recording.h records them.
#pragma once

#include "mount.h"

namespace mirrorfs::simulation {

/// Made before the locks are taken; intends and records while they are held; settles after they
/// were dropped. Ended without a record after intend(): nobody knows what became of the change.
class Mount::Recording {
 public:
  [[nodiscard]] static Task<Recording> begin(Mount& mount, std::size_t payload);
  Recording(Recording&& other) noexcept
      : mount_(other.mount_),
        admission_(std::move(other.admission_)),
        intent_(std::move(other.intent_)),
        open_(std::exchange(other.open_, false)),
        last_(other.last_),
        covered_(std::move(other.covered_)),
        barrier_(other.barrier_) {}
  Recording& operator=(Recording&&) = delete;
  ~Recording() { close(); }

  /// Right before the source is changed.
  void intend(Footprint footprint);
  /// The source refused with this errno, which is returned.
  [[nodiscard]] int refused(int code);
  /// Nobody knows what became of the change: ends the intent, under the locks.
  [[nodiscard]] int unknown(int code);
  void record(Operation operation);
  void record_barrier() {
    barrier_ = true;
    intend(Footprint{});
    record(Barrier{});
  }
  [[nodiscard]] Request settle();

 private:
  Recording(Mount& mount, Admission admission)
      : mount_(mount), admission_(std::move(admission)), open_(true) {
    ++mount_.under_way_;
  }
  void close() {
    if (std::exchange(open_, false)) --mount_.under_way_;
  }

  Mount& mount_;
  Admission admission_;
  Intent intent_;
  bool open_ = false;
  std::optional<SequenceNumber> last_;
  EngineUnderTest::CoveredRef covered_;
  bool barrier_ = false;
};

}  // namespace mirrorfs::simulation
