#include "mirrorfs/status.h"

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

}  // namespace mirrorfs
