// Closes replica files that were written, and looks at what close(2) says.
#pragma once

#include "engine/live/live_state.h"

namespace mirrorfs::live {

class Durability;
class Reconciler;

/// A filesystem may take what was written at close(2) only, and refuse it then (a server without
/// room, close(2)). The object is marked and copied again; until the close is answered, the mirror
/// does not count as in sync. Ring thread only.
class FileCloser {
 public:
  FileCloser(LiveState& state, Reconciler& reconciler, Durability& durability)
      : state_(state), reconciler_(reconciler), durability_(durability) {}

  /// Closes what leaves the cache of open files. Ends after stop().
  [[nodiscard]] ring::Task<void> run();
  void stop() {
    stopped_ = true;
    state_.files.unused().set_for_good();
  }

 private:
  [[nodiscard]] ring::Task<void> close(state::FileCache::OpenFile* file);
  void failed(const ObjectId& object, const std::optional<Location>& where, const Error& error);

  LiveState& state_;
  Reconciler& reconciler_;
  Durability& durability_;
  bool stopped_ = false;
};

}  // namespace mirrorfs::live
