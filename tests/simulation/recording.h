// The operations of one request, as fs/handlers/recording.h records them.
#pragma once

#include "mount.h"

namespace mirrorfs::simulation {

/// Made under the locks, right before the source is changed, and declared after them. Left without
/// being told how things ended, it has what the footprint names compared.
class Mount::Recording {
 public:
  Recording(Mount& mount, Admission admission, Footprint footprint);
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() { --mount_.under_way_; }

  void record(Operation operation);
  void record_barrier();
  /// The source refused. After an error of its device nobody knows what it did.
  void refused(int code) {
    if (code != EIO) intent_.nothing_changed();
  }
  [[nodiscard]] Settlement complete() {
    intent_.complete();
    return std::move(settlement_);
  }

 private:
  Mount& mount_;
  Intent intent_;
  Settlement settlement_;
};

}  // namespace mirrorfs::simulation
