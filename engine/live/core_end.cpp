// How a session ends: everything is applied and recorded as complete, or disowned.
#include "engine/live/core.h"
#include "engine/objects/file_clock.h"
#include "mirrorfs/log.h"

namespace mirrorfs::live {
namespace {

constexpr std::chrono::seconds kDisownTick(1);

}  // namespace

void Core::disown_session() {
  if (disowning_) return;
  disowning_ = true;
  ring_->spawn(remove_session_file());
}

ring::Task<void> Core::remove_session_file() {
  const int reserved = session_.reserved_directory();
  for (bool told = false; !ring_->stopping(); told = true) {
    auto done = co_await ring_->unlinkat(reserved, journal::SessionRecord::kReplicaFile, 0);
    if (done || done.error().code == ENOENT) done = co_await ring_->fsync(reserved);
    if (done) {
      session_.note_disowned();
      log_warn(
          "the replica has it that the journal of marks lacks some: unless this session ends "
          "cleanly, the next start compares everything");
      co_return;
    }
    if (!told) {
      log_error(
          "the replica cannot have it either ({}): should this process be killed before it "
          "can, compare both trees with mirrorctl verify",
          done.error().message());
    }
    const bool slept = co_await ring_->sleep(kDisownTick);
    if (!slept) co_return;
  }
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
  scrubber_.stop();
  examiner_.stop();
  draining_ = true;
  reconciler_.rate_limit().end();
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
  path_waits_.stop();
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
