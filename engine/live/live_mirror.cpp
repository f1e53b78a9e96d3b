#include "engine/live/live_mirror.h"

#include <mutex>
#include <new>
#include <vector>

namespace mirrorfs::live {
namespace {

constexpr auto kStatusPatience = std::chrono::milliseconds(500);
constexpr auto kThreadPatience = std::chrono::seconds(2);
constexpr auto kExaminePause = std::chrono::milliseconds(200);
constexpr auto kPausePatience = std::chrono::seconds(5);

stream::WhenFull when_full(Overflow overflow) {
  return overflow == Overflow::kThrottle ? stream::WhenFull::kWait : stream::WhenFull::kFold;
}

}  // namespace

LiveMirror::Life::Life(Opened all)
    : opened(std::move(all)),
      intake(opened.options.queue_size, when_full(opened.options.overflow)) {}

/// Findable for leak checkers.
void LiveMirror::keep_for_ever(std::unique_ptr<Life> life) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::unique_ptr<Life>>;
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(life));
}

LiveMirror::LiveMirror(Opened opened)
    : life_(std::make_unique<Life>(std::move(opened))),
      opened_(life_->opened),
      intake_(life_->intake),
      mode_(opened_.options.mode),
      on_replica_error_(opened_.options.on_replica_error),
      scrub_(opened_.options.scrub),
      rate_limit_(opened_.options.rate_limit) {}

LiveMirror::~LiveMirror() {
  if (thread_.joinable()) end_thread(true);
  if (!life_) opened_.pairing.give_up_locks();  // all else is the thread's that was left behind
}

std::vector<std::string> LiveMirror::warnings() const {
  std::vector<std::string> lines;
  if (auto line = opened_.pairing.needless_adopt()) lines.push_back(std::move(*line));
  return lines;
}

EngineStatus LiveMirror::status() const {
  if (stopped_) {
    const std::lock_guard lock(status_mutex_);
    return last_status_;
  }
  auto answer = std::make_shared<std::promise<EngineStatus>>();
  auto future = answer->get_future();
  core_->ring().post([core = core_, answer] { answer->set_value(core->status()); });
  const bool answered = future.wait_for(kStatusPatience) == std::future_status::ready;
  const std::lock_guard lock(status_mutex_);
  if (answered) {
    last_status_ = future.get();
    last_answer_ = stream::Recorded::Clock::now();
  } else {  // the ring thread hangs in a call on the replica: tell what is known without it
    last_status_.completed = intake_.last_recorded();
    last_status_.queued_bytes = intake_.queued_bytes();
    last_status_.queued_ops = last_status_.completed.value - last_status_.applied.value;
    const auto now = stream::Recorded::Clock::now();
    const std::chrono::duration<double> unanswered = now - last_answer_;
    const std::chrono::duration<double> untaken = now - intake_.oldest(now);
    const bool behind = last_status_.queued_ops + last_status_.marks > 0;
    last_status_.lag_seconds =
        behind ? std::max(last_status_.lag_seconds + unanswered.count(), untaken.count()) : 0;
    last_answer_ = now;
    last_status_.state = MirrorState::kDegraded;
    last_status_.answers = false;
  }
  last_status_.losses = lost_;
  last_status_.tolerated = opened_.options.tolerate;
  last_status_.generation = opened_.pairing.record().generation;
  last_status_.exclude = opened_.pairing.record().exclude;
  return last_status_;
}

MirrorSettings LiveMirror::settings() const {
  return {.mode = mode_,
          .overflow = intake_.when_full() == stream::WhenFull::kWait ? Overflow::kThrottle
                                                                     : Overflow::kCatchUp,
          .on_replica_error = on_replica_error_,
          .queue_size = intake_.limit(),
          .scrub = scrub_,
          .rate_limit = rate_limit_};
}

void LiveMirror::change(const MirrorSettings& settings) {
  mode_ = settings.mode;
  on_replica_error_ = settings.on_replica_error;
  intake_.resize(settings.queue_size, when_full(settings.overflow));
  scrub_ = settings.scrub;
  rate_limit_ = settings.rate_limit;
  core_->ring().post([core = core_, period = settings.scrub, rate = settings.rate_limit] {
    core->set_scrub(period);
    core->set_rate_limit(rate);
  });
}

std::vector<Examined> LiveMirror::examine(const ExamineRequest& request,
                                          const std::function<bool()>& given_up) {
  auto answer = std::make_shared<std::promise<Core::Findings>>();
  auto future = answer->get_future();
  core_->ring().post(
      [core = core_, request, answer] { core->ring().spawn(core->examine(request, answer)); });
  while (future.wait_for(kExaminePause) != std::future_status::ready) {
    if (!stopped_ && !given_up()) continue;
    return Core::Findings(request.paths.size(), Examined{Finding::kFailed, "given up"});
  }
  return future.get();
}

bool LiveMirror::wait(std::optional<std::chrono::milliseconds> timeout) {
  auto result = std::make_shared<std::promise<Waited>>();
  auto future = result->get_future();
  const WaitId id = post_wait({.id = {},
                               .what = WaitFor::kDurable,
                               .number = intake_.last_recorded(),
                               .covered = nullptr,
                               .then = [result](Waited waited) { result->set_value(waited); }});
  if (timeout && future.wait_for(*timeout) != std::future_status::ready) {
    cancel(id);
    return false;
  }
  return future.get() == Waited::kDone;
}

/// The engine keeps to the time; but its thread may hang in a call on the replica.
bool LiveMirror::wait_for_paths(const std::vector<std::string>& paths,
                                std::optional<std::chrono::milliseconds> timeout) {
  auto answer = std::make_shared<std::promise<bool>>();
  auto future = answer->get_future();
  core_->ring().post([core = core_, paths, timeout, answer] {
    core->ring().spawn(core->wait_for_paths(paths, timeout, answer));
  });
  const auto patience = timeout.value_or(std::chrono::hours(24)) + kStatusPatience;
  while (future.wait_for(patience) != std::future_status::ready) {
    if (timeout || stopped_) return false;
  }
  return future.get();
}

bool LiveMirror::pause() {
  auto stands_still = std::make_shared<std::promise<void>>();
  const auto future = stands_still->get_future();
  core_->ring().post(
      [core = core_, stands_still] { core->ring().spawn(core->pause(stands_still)); });
  return future.wait_for(kPausePatience) == std::future_status::ready;
}

void LiveMirror::resume() {
  core_->ring().post([core = core_] { core->resume(); });
}

std::size_t LiveMirror::cost(std::size_t payload) const { return stream::kOperationCost + payload; }

bool LiveMirror::writes_ahead() const {
  return journal_ != nullptr && opened_.options.journal == JournalKind::kDurable;
}

bool LiveMirror::is_ahead(const Footprint& footprint) {
  return !writes_ahead() || !journal_->announce(footprint, nullptr);
}

void LiveMirror::when_ahead(const Footprint& footprint, Ahead then) {
  if (!writes_ahead()) return then();
  auto shared = std::make_shared<Ahead>(std::move(then));
  if (!journal_->announce(footprint, [shared] { (*shared)(); })) (*shared)();
}

std::optional<Admission> LiveMirror::admit(std::size_t bytes) {
  if (!intake_.admit(bytes)) return std::nullopt;
  return Admission(*this, bytes);
}

WaitId LiveMirror::admit_later(std::size_t bytes, Admitted then) {
  return public_id(intake_.admit_later(bytes,
                                       [this, bytes, then = std::move(then)]() mutable {
                                         then(Admission(*this, bytes));
                                       }),
                   WaitsIn::kIntake);
}

Admission LiveMirror::admit_regardless(std::size_t bytes) {
  intake_.admit_regardless(bytes);
  return {*this, bytes};
}

Intent LiveMirror::begin(Admission admission, Footprint footprint) {
  Intent intent = intake_.begin(admission.bytes(), std::move(footprint));
  (void)admission.consume();
  return intent;
}

bool LiveMirror::must_wait(Await what) const {
  const Mode mode = mode_;
  return what == Await::kBarrier ? mode != Mode::kAsync : mode == Mode::kSync;
}

Result<void> LiveMirror::answer_without_replica() const {
  if (on_replica_error_ == OnReplicaError::kFail) return fail(EIO, "replica");
  return {};
}

WaitId LiveMirror::settle(SequenceNumber number, Await what,
                          std::shared_ptr<const Footprint> covered, Settled then) {
  if (!must_wait(what)) {
    then({});
    return {};
  }
  return post_wait({.id = {},
                    .what = what == Await::kBarrier ? WaitFor::kBarrier : WaitFor::kApplied,
                    .number = number,
                    .covered = std::move(covered),
                    .then = [this, then = std::move(then)](Waited waited) mutable {
                      then(waited == Waited::kFailed ? answer_without_replica() : Result<void>{});
                    }});
}

WaitId LiveMirror::post_wait(Wait wait) {
  wait.id = {++last_wait_};
  const WaitId id = wait.id;
  core_->ring().post(
      [core = core_, wait = std::move(wait)]() mutable { core->wait(std::move(wait)); });
  return public_id(id, WaitsIn::kCore);
}

/// Both the intake and the core name their waits by counting: the lowest bit tells them apart.
WaitId LiveMirror::public_id(WaitId id, WaitsIn where) {
  if (!id) return {};
  return {id.value * 2 + (where == WaitsIn::kCore ? 1 : 0)};
}

void LiveMirror::cancel(WaitId wait) noexcept {
  const WaitId own{wait.value / 2};
  if (!own) return;
  if (wait.value % 2 == 0) return intake_.cancel(own);
  try {
    core_->ring().post([core = core_, own] { core->cancel(own); });
  } catch (const std::bad_alloc&) {
    // Nobody listens to the callback any more; it is called in vain.
  }
}

/// A thread that hangs in a call on the replica cannot be joined: it and all it uses are left to
/// the end of the process. Nor can one that has left requests behind: it ends only when the
/// kernel's workers have ended (io_wq_put_and_exit), and the kernel may still write to its buffers.
void LiveMirror::end_thread(bool by_force) {
  if (by_force && journal_ != nullptr) journal_->retire();
  if (by_force) core_->ring().abandon();
  const bool ended = thread_ended_.wait_for(kThreadPatience) == std::future_status::ready;
  if (ended && !by_force) return thread_.join();
  thread_.detach();
  keep_for_ever(std::move(life_));
}

bool LiveMirror::stop(std::optional<std::chrono::milliseconds> drain_timeout) {
  intake_.close();
  auto clean = std::make_shared<std::promise<bool>>();
  auto future = clean->get_future();
  core_->ring().post([core = core_, clean] { core->ring().spawn(core->drain(clean)); });
  const bool in_time =
      !drain_timeout || future.wait_for(*drain_timeout) == std::future_status::ready;
  const bool done = in_time ? (future.wait(), future.get()) : false;
  if (in_time) {
    const std::lock_guard lock(status_mutex_);
    last_status_ = core_->final_status();
    last_status_.generation = opened_.pairing.record().generation;
    last_status_.exclude = opened_.pairing.record().exclude;
  } else {
    static_cast<void>(status());
  }
  stopped_ = true;
  end_thread(!in_time);
  return done;
}

}  // namespace mirrorfs::live
