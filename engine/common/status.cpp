#include "mirrorfs/status.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs {

std::string_view to_string(MirrorState state) {
  switch (state) {
    case MirrorState::kBaseline: return "baseline";
    case MirrorState::kInSync: return "in-sync";
    case MirrorState::kLagging: return "lagging";
    case MirrorState::kCatchingUp: return "catching-up";
    case MirrorState::kDegraded: return "degraded";
    case MirrorState::kPaused: return "paused";
  }
  return "unknown";
}

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::kAsync: return "async";
    case Mode::kFsync: return "fsync";
    case Mode::kSync: return "sync";
  }
  return "unknown";
}

std::string_view to_string(Overflow overflow) {
  return overflow == Overflow::kThrottle ? "throttle" : "catch-up";
}

std::string_view to_string(OnReplicaError on_error) {
  return on_error == OnReplicaError::kFail ? "fail" : "degrade";
}

}  // namespace mirrorfs
