#include "fs/control/state_cause.h"

#include <fmt/format.h>

namespace mirrorfs::control {
namespace {

std::string why_degraded(const EngineStatus& status) {
  if (!status.answers) return "the replica does not answer";
  if (status.failed.empty()) return status.last_error;
  const FailedObject& first = status.failed.front();
  const std::string text = fmt::format("'{}': {}", first.path, first.cause);
  return status.marks > 1 ? fmt::format("{}; {} objects may differ", text, status.marks) : text;
}

}  // namespace

std::string state_cause(const EngineStatus& status) {
  switch (status.state) {
    case MirrorState::kBaseline: return "source and replica are being compared";
    case MirrorState::kInSync: return {};
    case MirrorState::kLagging:
      return fmt::format("{} operations wait to be applied", status.queued_ops);
    case MirrorState::kCatchingUp:
      return fmt::format("{} objects may differ and are copied again", status.marks);
    case MirrorState::kDegraded: return why_degraded(status);
    case MirrorState::kPaused:
      return fmt::format("by mirrorctl pause; {} operations wait", status.queued_ops);
  }
  return {};
}

}  // namespace mirrorfs::control
