#include "engine/live/live_mirror.h"

#include <mutex>
#include <new>
#include <vector>

#include "engine/objects/file_clock.h"
#include "engine/replica/kept.h"
#include "engine/replica/probe.h"
#include "mirrorfs/log.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::live {
namespace {

constexpr auto kStatusPatience = std::chrono::milliseconds(500);
constexpr auto kThreadPatience = std::chrono::seconds(2);
constexpr auto kPausePatience = std::chrono::seconds(5);

/// For what the kernel, or a thread that hangs, may still use: it stays, and stays findable for
/// leak checkers, until the process ends.
void keep_for_ever(std::unique_ptr<Core> core) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::unique_ptr<Core>>;
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(core));
}

stream::WhenFull when_full(Overflow overflow) {
  return overflow == Overflow::kThrottle ? stream::WhenFull::kWait : stream::WhenFull::kFold;
}

}  // namespace

LiveMirror::LiveMirror(Opened opened)
    : opened_(std::move(opened)),
      mode_(opened_.options.mode),
      on_replica_error_(opened_.options.on_replica_error),
      intake_(opened_.options.queue_size, when_full(opened_.options.overflow)) {}

LiveMirror::~LiveMirror() {
  if (thread_.joinable()) end_thread(true);
}

/// Marks that are the last session's and whole: nobody used the replica since, and the file is as
/// the process left it.
std::optional<journal::JournalContent> LiveMirror::marks_of_last_session() const {
  const journal::SessionRecord& session = opened_.session;
  if (session.nonce().empty()) return std::nullopt;
  auto content = journal::MarkJournal::read(session.state_directory(), opened_.pairing.id());
  if (!content) log_warn("{}", content.error().message());
  if (!content || !*content || (*content)->owner.nonce != session.nonce()) return std::nullopt;
  journal::JournalContent& marks = **content;
  const bool same_boot = !opened_.boot.empty() && marks.owner.boot == opened_.boot;
  if (marks.everything || !(same_boot || marks.owner.durable)) return std::nullopt;
  if (!journal::translate_device(marks, opened_.source.metadata.id())) return std::nullopt;
  return std::move(marks);
}

/// Nothing is compared only when the user says so and the last session ended cleanly. After an
/// unclean one, what its journal has marked; without a journal that counts, content that changed
/// since it began is compared whatever size and mtime say.
Core::Beginning LiveMirror::choose_beginning() {
  Core::Beginning beginning;
  compare::Policy& policy = beginning.policy.emplace();
  if (!opened_.pairing.was_paired()) {
    policy.compare = compare::Compare::kFull;
    return beginning;
  }
  const bool clean = opened_.session.clean();
  policy.changed_since = clean ? opened_.session.ended() : opened_.session.unclean_since();
  // A failed write-back that nobody was told of, or a change by others: see Policy. By a server's
  // clock nothing is known.
  const bool known =
      policy.changed_since.tv_sec != 0 && objects::stamps_with_our_clock(replica_root());
  policy.reread_since =
      known ? policy.changed_since : timespec{.tv_sec = 0, .tv_nsec = clean ? 0 : 1};
  if (opened_.options.check == Check::kFull) policy.compare = compare::Compare::kFull;
  if (opened_.pairing.kind() == journal::Ruling::Kind::kTurned) {
    // The source was the replica then: what it had at that time is equal.
    policy.changed_since = opened_.pairing.record().session.time;
    policy.reread_since = {};
    if (policy.changed_since.tv_sec == 0) policy.compare = compare::Compare::kFull;
    log_info("the roles have changed: comparing both trees");
    return beginning;
  }
  const bool same_fidelity = !opened_.pairing.fidelity_changed();
  if (clean) {
    if (opened_.options.check == Check::kNone && same_fidelity) beginning.policy.reset();
    return beginning;
  }
  if (policy.changed_since.tv_sec == 0) policy.compare = compare::Compare::kFull;
  const bool by_marks = opened_.options.check != Check::kFull && same_fidelity;
  if (by_marks) beginning.marks = marks_of_last_session();
  if (beginning.marks) {
    log_info("the last session did not end cleanly: comparing the {} entries that it marked",
             beginning.marks->marks.size());
  } else {
    log_info("the last session did not end cleanly: comparing both trees");
  }
  return beginning;
}

/// Absent: there is no earlier session whose end could be told from what came later.
Result<std::unique_ptr<replica::Keeper>> LiveMirror::make_keeper() const {
  const auto now = journal::clock_past(opened_.pairing.reserved_directory());
  if (!now) return std::unexpected(now.error());
  std::vector<replica::Kept::Window> windows;
  for (const journal::Window& window : opened_.session.foreign_until(*now)) {
    windows.push_back({window.since, window.until});
  }
  if (windows.empty()) return std::unique_ptr<replica::Keeper>();
  return std::make_unique<replica::Kept>(replica_root(), std::move(windows));
}

std::vector<std::string> LiveMirror::warnings() const {
  std::vector<std::string> lines;
  if (auto line = opened_.pairing.needless_adopt()) lines.push_back(std::move(*line));
  return lines;
}

Losses LiveMirror::lost_here() const {
  const auto& capabilities = opened_.pairing.record().capabilities;
  if (!capabilities) return {};
  return replica::losses_that_matter(*capabilities, source_root(), objects::Rights::current());
}

Result<void> LiveMirror::start() {
  lost_ = lost_here();
  if (!lost_.none()) {
    log_info("the replica's filesystem cannot hold these, which is tolerated: {}", lost_.text());
  }
  if (auto prepared = calls::prepare(); !prepared) return prepared;
  auto ring = ring::Ring::create();
  if (!ring) return pass_on(std::move(ring));
  auto keeper = make_keeper();
  if (!keeper) return pass_on(std::move(keeper));
  if (auto made = make_core(std::move(*ring), std::move(*keeper)); !made) return made;
  std::packaged_task<void()> task([core = core_, beginning = std::move(beginning_)]() mutable {
    core->run(std::move(beginning));
  });
  thread_ended_ = task.get_future();
  thread_ = std::thread(std::move(task));
  return {};
}

/// Before the first operation. What the last session marked stays marked until it was compared.
Result<void> LiveMirror::make_journal(const std::string& pair_id) {
  const int state = opened_.session.state_directory();
  if (opened_.options.journal == JournalKind::kOff) {
    return journal::MarkJournal::remove(state, pair_id);
  }
  journal::JournalContent kept;
  if (beginning_.marks) kept = *beginning_.marks;
  kept.everything = beginning_.policy && !beginning_.marks;
  auto made =
      journal::MarkJournal::create(state,
                                   {.pair_id = pair_id,
                                    .nonce = opened_.session.nonce(),
                                    .boot = opened_.boot,
                                    .root = opened_.source.metadata.id(),
                                    .durable = opened_.options.journal == JournalKind::kDurable},
                                   kept);
  if (!made) return pass_on(std::move(made));
  journal_ = std::move(*made);
  intake_.write_ahead(*journal_);
  return {};
}

Result<void> LiveMirror::make_core(std::unique_ptr<ring::Ring> ring,
                                   std::unique_ptr<replica::Keeper> keeper) {
  beginning_ = choose_beginning();
  if (auto begun = opened_.session.begin(objects::file_time_now()); !begun) return begun;
  if (auto made = make_journal(opened_.pairing.id()); !made) return made;
  auto staging = copy::Staging::open(replica_root());
  if (!staging) return pass_on(std::move(staging));
  const journal::PairRecord& pair = opened_.pairing.record();
  compare::Boundaries boundaries(pair.one_file_system);
  for (const std::string& path : pair.inner_mounts) boundaries.learn(source_root(), path);
  owned_core_ = std::make_unique<Core>(Core::Parts{.ring = std::move(ring),
                                                   .staging = std::move(*staging),
                                                   .intake = intake_,
                                                   .session = opened_.session,
                                                   .journal = journal_,
                                                   .keeper = std::move(keeper),
                                                   .boundaries = std::move(boundaries),
                                                   .fidelity = pair.fidelity(),
                                                   .root = opened_.source.metadata.id(),
                                                   .source_root = source_root(),
                                                   .replica_root = replica_root()});
  core_ = owned_core_.get();
  if (on_activity_) core_->on_activity(on_activity_);
  intake_.on_work([this, core = core_] {
    if (on_activity_) on_activity_();
    core->ring().post([core] { core->work_arrived(); });
  });
  return {};
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
  return last_status_;
}

MirrorSettings LiveMirror::settings() const {
  return {.mode = mode_,
          .overflow = intake_.when_full() == stream::WhenFull::kWait ? Overflow::kThrottle
                                                                     : Overflow::kCatchUp,
          .on_replica_error = on_replica_error_,
          .queue_size = intake_.limit()};
}

void LiveMirror::change(const MirrorSettings& settings) {
  mode_ = settings.mode;
  on_replica_error_ = settings.on_replica_error;
  intake_.resize(settings.queue_size, when_full(settings.overflow));
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
  if (by_force) core_->ring().abandon();
  const bool ended = thread_ended_.wait_for(kThreadPatience) == std::future_status::ready;
  if (ended && !by_force) return thread_.join();
  thread_.detach();
  keep_for_ever(std::move(owned_core_));
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
  } else {
    static_cast<void>(status());
  }
  stopped_ = true;
  end_thread(!in_time);
  return done;
}

}  // namespace mirrorfs::live
