// The operations of one request, as fs/handlers/recording.h records them.
#pragma once

#include "mount.h"

namespace mirrorfs::simulation {

/// Made before the locks are taken; records while they are held; settles after they were dropped.
class Mount::Recording {
 public:
  [[nodiscard]] static Task<Recording> begin(Mount& mount, std::size_t payload);
  Recording(Recording&& other) noexcept
      : mount_(other.mount_),
        admission_(std::move(other.admission_)),
        open_(std::exchange(other.open_, false)),
        last_(other.last_),
        barrier_(other.barrier_) {}
  Recording& operator=(Recording&&) = delete;
  ~Recording() { close(); }

  void record(Operation operation);
  void record_barrier() {
    record(Barrier{});
    barrier_ = true;
  }
  /// What a change of content came to when nobody can tell.
  void record_unknown(const NodeRef& node);
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
  bool open_ = false;
  std::optional<SequenceNumber> last_;
  bool barrier_ = false;
};

}  // namespace mirrorfs::simulation
