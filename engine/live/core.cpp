#include "engine/live/core.h"

#include <sys/resource.h>

#include "engine/objects/file_clock.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

constexpr std::size_t kFailuresNamed = 20;
constexpr double kLaggingFrom = 1.0;  // seconds
constexpr std::chrono::milliseconds kKeepOpen(500);
constexpr std::chrono::milliseconds kRestTick(2);
constexpr std::chrono::milliseconds kGather(1);

/// A quarter of the descriptors for the directory table, an eighth for files; the rest is for FUSE
/// handles and copies under way.
std::size_t descriptors_to_keep() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 64;
  return std::clamp<std::size_t>(limit.rlim_cur / 4, 16, 2048);
}

}  // namespace

Core::Core(Parts parts)
    : ring_(std::move(parts.ring)),
      staging_(std::move(parts.staging)),
      session_(parts.session),
      keeper_(std::move(parts.keeper)),
      boundaries_(std::move(parts.boundaries)),
      state_(*ring_, parts.intake, parts.journal, parts.root, parts.source_root, parts.replica_root,
             descriptors_to_keep(), objects::Rights::current(parts.fidelity), keeper_.get(),
             session_, boundaries_),
      reconciler_(state_, staging_),
      recovery_(state_, reconciler_),
      times_(state_, reconciler_),
      dispatcher_(state_, reconciler_, times_),
      durability_(state_, reconciler_, times_, parts.source_root, parts.replica_root),
      closer_(state_, reconciler_, durability_),
      waits_(state_, durability_, times_, dispatcher_) {}

void Core::run(Beginning beginning) {
  if (beginning.marks) {
    dispatcher_.hold();
    state_.recovering = true;
    reconciler_.use(*beginning.policy);
    ring_->spawn(recover(std::move(*beginning.marks)));
  } else if (beginning.policy) {
    // Before whatever was posted already: a wait has to see that a baseline is to come.
    reconciler_.start_baseline(*beginning.policy);
  }
  ring_->spawn(reconciler_.retry_loop());
  ring_->spawn(reconciler_.search_owed());
  ring_->spawn(durability_.watch());
  ring_->spawn(close_unused_files());
  ring_->spawn(closer_.run());
  ring_->spawn(times_.run());
  ring_->spawn(waits_.serve());
  ring_->run();
}

void Core::work_arrived() {
  dispatcher_.pull();
  if (gathering_ || dispatcher_.paused()) return;
  gathering_ = true;
  ring_->spawn(gather());
}

ring::Task<void> Core::gather() {
  state_.intake.hold_wakes();
  for (SequenceNumber before; before != state_.intake.last_recorded();) {
    before = state_.intake.last_recorded();
    const bool slept = co_await ring_->sleep(kGather);
    dispatcher_.pull();
    if (!slept || dispatcher_.paused()) break;
  }
  state_.intake.resume_wakes();
  gathering_ = false;
  dispatcher_.pull();
}

/// Operations wait until it is known what the replica may lack: a few looks at it.
ring::Task<void> Core::recover(journal::JournalContent marks) {
  co_await recovery_.begin(std::move(marks));
  state_.recovering = false;
  state_.progressed();
  dispatcher_.release();
  while (!state_.nothing_marked() && !drained_) co_await state_.progress.wait();
  if (state_.nothing_marked()) recovery_.note_clean();
}

ring::Task<void> Core::close_unused_files() {
  while (!ring_->stopping()) {
    if (state_.files.size() == 0) {
      state_.files_opened.reset();
      co_await state_.files_opened.wait();
    }
    const bool slept = co_await ring_->sleep(kKeepOpen);
    if (!slept) co_return;
    state_.files.close_unused_since(state::FileCache::Clock::now() - kKeepOpen);
  }
}

ring::Task<void> Core::pause(std::shared_ptr<std::promise<void>> stands_still) {
  dispatcher_.pause();
  reconciler_.pause();
  while (dispatcher_.paused() && !(dispatcher_.at_rest() && reconciler_.at_rest())) {
    const bool slept = co_await ring_->sleep(kRestTick);
    if (!slept) break;
  }
  co_await times_.flush();
  stands_still->set_value();
}

void Core::resume() {
  reconciler_.resume();
  dispatcher_.resume();
}

MirrorState Core::judge_state(double lag_seconds) {
  if (dispatcher_.paused()) return MirrorState::kPaused;
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

void Core::wait(Wait wait) {
  dispatcher_.pull();
  waits_.add(std::move(wait));
}

ring::Task<void> Core::settle_everything() {
  const SequenceNumber last = state_.intake.last_recorded();
  bool tried_again = false;
  while (true) {
    const bool quiet = state_.files.leaving() == 0 && state_.finished.closed_through() >= last &&
                       dispatcher_.idle() && reconciler_.idle();
    if (!quiet) {
      co_await state_.progress.wait();
    } else if (!state_.clean() && !tried_again) {
      tried_again = true;
      reconciler_.retry_all();
    } else if (state_.nothing_marked() && state_.times.size() > 0) {
      co_await times_.flush();
      if (state_.times.size() > 0) co_await ring_->sleep(kRestTick);
    } else {
      co_return;
    }
  }
}

ring::Task<bool> Core::drain_everything() {
  bool synced = false;
  std::uint64_t repaired = 0;
  do {
    co_await settle_everything();
    repaired = state_.repaired;
    synced = co_await durability_.sync();
  } while (repaired != state_.repaired);
  co_return synced&& state_.clean();
}

/// The mount is gone: what is changed in the source from now on, while the rest is applied, is
/// somebody else's.
ring::Task<void> Core::drain(std::shared_ptr<std::promise<bool>> clean) {
  const timespec now = objects::file_time_now();
  resume();
  dispatcher_.pull();
  bool done = co_await drain_everything();
  if (done && state_.intake.kept_marked() > 0) {
    log_warn("{} files are still open past the mount: the next one compares them",
             state_.intake.kept_marked());
  } else if (done) {
    const auto recorded =
        co_await ring_->offload([this, now]() -> Result<void> { return session_.end_clean(now); });
    if (!recorded) log_error("cannot record the clean stop: {}", recorded.error().message());
    done = recorded.has_value();
  }
  final_status_ = status();
  drained_ = true;
  waits_.stop();
  state_.progressed();
  reconciler_.stop();
  times_.stop();
  state_.unsynced.set_for_good();
  state_.files_opened.set_for_good();
  closer_.stop();
  ring_->stop();
  clean->set_value(done);
}

}  // namespace mirrorfs::live
