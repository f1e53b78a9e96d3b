#include "engine/live/core.h"

#include <sys/resource.h>

#include <algorithm>

namespace mirrorfs::live {
namespace {

constexpr std::size_t kExaminedAtOnce = 64;
constexpr std::chrono::milliseconds kKeepOpen(500);
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
      exclusion_(std::move(parts.exclusion)),
      state_(*ring_, parts.intake, parts.journal, parts.root, parts.source_root, parts.replica_root,
             descriptors_to_keep(), objects::Rights::current(parts.fidelity), keeper_.get(),
             session_, boundaries_, exclusion_, parts.late_requests),
      reconciler_(state_, staging_, [this] { return waits_.applications_wait_for_marks(); }),
      recovery_(state_, reconciler_),
      times_(state_, reconciler_),
      dispatcher_(state_, reconciler_, times_),
      durability_(state_, reconciler_, times_, parts.source_root, parts.replica_root),
      closer_(state_, reconciler_, durability_),
      waits_(state_, reconciler_, durability_, times_, dispatcher_),
      path_waits_(state_, durability_, dispatcher_),
      examiner_(state_, reconciler_),
      scrubber_(state_, examiner_,
                {.state_directory = session_.state_directory(),
                 .pair_id = std::move(parts.pair_id),
                 .may_run = [this] { return may_scrub(); },
                 .expected = [this] { return scrub_work(); }}) {
  examiner_.paused = [this] { return dispatcher_.paused(); };
  state_.on_begin = [this](const stream::Recorded& recorded) { path_waits_.begins(recorded); };
  state_.on_reconciled = [this](const ObjectId& directory) { path_waits_.reconciled(directory); };
  scrubber_.set_period(parts.scrub);
  set_rate_limit(parts.rate_limit);
}

void Core::run(Beginning beginning) {
  if (beginning.marks) {
    dispatcher_.hold();
    state_.recovering = state_.comparing_marks = true;
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
  ring_->spawn(scrubber_.run());
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
  state_.comparing_marks = false;
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

/// A stop is not limited: somebody waits for it.
void Core::set_rate_limit(std::uint64_t rate) {
  if (!draining_) reconciler_.rate_limit().set_rate(rate);
}

void Core::wait(Wait wait) {
  dispatcher_.pull();
  waits_.add(std::move(wait));
}

ring::Task<void> Core::wait_for_paths(std::vector<std::string> paths,
                                      std::optional<std::chrono::milliseconds> timeout,
                                      std::shared_ptr<std::promise<bool>> answer) {
  dispatcher_.pull();
  const auto deadline = timeout ? ring_->now() + *timeout : PathWaits::Clock::time_point::max();
  const bool done = co_await path_waits_.wait(std::move(paths), deadline);
  answer->set_value(done);
}

ring::Task<void> Core::examine_one(std::string path, Examiner::Options options, Examined& found) {
  found = co_await examiner_.examine(std::move(path), options);
}

ring::Task<void> Core::examine(ExamineRequest request,
                               std::shared_ptr<std::promise<Findings>> answer) {
  dispatcher_.pull();
  Findings findings(request.paths.size());
  for (std::size_t at = 0; at < findings.size(); at += kExaminedAtOnce) {
    const Examiner::Options options{.full = request.full,
                                    .repair = request.repair,
                                    .deadline = ring_->now() + request.patience};
    ring::TaskGroup group(*ring_);
    const std::size_t end = std::min(findings.size(), at + kExaminedAtOnce);
    for (std::size_t one = at; one < end; ++one) {
      group.spawn(examine_one(request.paths[one], options, findings[one]));
    }
    co_await group.join();
  }
  answer->set_value(std::move(findings));
}

bool Core::may_scrub() {
  const MirrorState state = judge_state(0);
  return state == MirrorState::kInSync || state == MirrorState::kLagging;
}

std::uint64_t Core::scrub_work() const {
  const BaselineProgress baseline = reconciler_.progress();
  return baseline.bytes_total + baseline.files_total * ScrubPace::kObjectWork;
}

}  // namespace mirrorfs::live
