// What the mirror says of itself.
#include <algorithm>

#include "engine/live/core.h"

namespace mirrorfs::live {
namespace {

constexpr std::size_t kFailuresNamed = 20;
constexpr double kLaggingFrom = 1.0;  // seconds

}  // namespace

MirrorState Core::judge_state(double lag_seconds) {
  if (dispatcher_.paused()) return MirrorState::kPaused;
  if (reconciler_.is_failing()) return MirrorState::kDegraded;
  if (reconciler_.progress().running) return MirrorState::kBaseline;
  const bool lacks = state_.marks.failing() > 0 || state_.refusals.size() > 0;
  if (lacks || durability_.suspect()) return MirrorState::kDegraded;
  const SequenceNumber finished = state_.finished.closed_through();
  const bool behind_marks = finished < state_.watermark.closed_through();
  if (state_.catching_up || !state_.nothing_marked() || behind_marks)
    return MirrorState::kCatchingUp;
  if (state_.readings.ahead(finished)) return MirrorState::kCatchingUp;
  if (state_.times.size() > 0 || state_.files.leaving() > 0) return MirrorState::kLagging;
  return lag_seconds >= kLaggingFrom ? MirrorState::kLagging : MirrorState::kInSync;
}

EngineStatus Core::status() {
  EngineStatus status;
  const auto now = stream::Watermark::Clock::now();
  const auto oldest =
      std::min({state_.finished.oldest(now), state_.intake.oldest(now), state_.times.oldest(now)});
  const auto seconds_since = [now](auto then) {
    return std::chrono::duration<double>(now - then).count();
  };
  status.state = judge_state(seconds_since(oldest));
  state_.note_debt();
  status.lag_seconds = seconds_since(std::min(oldest, state_.marked_since(now)));
  status.completed = state_.intake.last_recorded();
  status.applied = state_.finished.closed_through();
  status.durable = durability_.durable();
  status.queued_ops = status.completed.value - status.applied.value;
  status.queued_bytes = state_.intake.queued_bytes();
  status.recovery = recovery_.progress();
  status.scrub = scrubber_.status();
  status.marks = state_.marks.size() + state_.directories.unsettled() + state_.owed.size() +
                 state_.leftovers + state_.refusals.size() +
                 (state_.recovering ? status.recovery.marks : 0) + (durability_.suspect() ? 1 : 0);
  status.errors_total = state_.totals.errors;
  status.last_error = state_.totals.last_error;
  status.last_error_time = state_.totals.last_error_time;
  status.bytes_replicated_total = dispatcher_.bytes_applied() + state_.totals.bytes_reconciled;
  status.ops_replicated_total = state_.totals.operations;
  status.baseline = reconciler_.progress();
  if (state_.journal != nullptr) status.journal_marks = state_.journal->size();
  for (const auto& [entry, cause] : state_.marks.failures(kFailuresNamed)) {
    status.failed.push_back({state_.directories.path_of(entry), cause});
  }
  const std::size_t room = kFailuresNamed - status.failed.size();
  for (const auto& [entry, cause] : state_.refusals.named(room)) {
    status.failed.push_back({state_.directories.path_of(entry), cause});
  }
  return status;
}

}  // namespace mirrorfs::live
