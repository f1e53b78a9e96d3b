#include "run.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "foreign_edits.h"

namespace mirrorfs::simulation {
namespace {

UniqueFd open_root(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

Verdict run_plan(const Plan& plan, Playground& playground, Trace& trace) {
  SimulatedTime::start();
  playground.reset();
  Verdict verdict = Run(plan, playground, trace).all_sessions();
  SimulatedTime::stop();
  return verdict;
}

Run::Run(const Plan& plan, Playground& playground, Trace& trace)
    : plan_(plan),
      playground_(playground),
      trace_(trace),
      random_(mixed(plan.schedule, 4)),
      source_root_(open_root(playground.source())),
      replica_root_(open_root(playground.replica())),
      faults_(plan, identity_, playground, replica_root_.get(), trace),
      ledger_(replica_root_.get()),
      strangers_(replica_root_.get()),
      chaos_(mixed(plan.schedule, 7)) {
  faults_.on_sync([this] { ledger_.synced(); });
  faults_.on_file_sync([this](int fd) { ledger_.synced(fd); });
  faults_.on_preemption([this] { static_cast<void>(step_application()); });
}

Verdict Run::all_sessions() {
  make_initial_tree(source_root_.get(), plan_);
  for (std::size_t number = 0; number < plan_.sessions.size() && failure_.empty(); ++number) {
    session(number);
    if (failure_.empty() && plan_.sessions[number].foreign_edits) edit_behind_its_back();
  }
  return {.failure = failure_, .digest = trace_.digest(), .steps = trace_.steps()};
}

void Run::fail(std::string what) {
  if (!failure_.empty()) return;
  failure_ = std::move(what);
  trace_.say("FAILED  {}", failure_);
}

void Run::edit_behind_its_back() {
  for (const bool source : {true, false}) {
    if (!random_.chance(1, 2)) continue;
    const int root = source ? source_root_.get() : replica_root_.get();
    for (const std::string& line : edit_tree(root, random_)) {
      trace_.say("somebody {} on the {}", line, source ? "source" : "replica");
    }
  }
  strangers_.forget_others(excluded_);
}

void Run::session(std::size_t number) {
  session_ = number;
  const SessionPlan& plan = plan_.sessions[number];
  trace_.say("session {} begins", number);
  MirrorOptions options;
  options.source = playground_.source();
  options.replica = playground_.replica();
  options.state_dir = playground_.state();
  options.mode = plan.mode;
  options.overflow = plan.overflow;
  options.on_replica_error = plan.on_error;
  options.check = plan.check;
  options.queue_size = plan.queue_size;
  options.scrub = plan.scrub;
  options.rate_limit = plan.rate_limit;
  options.exclude = plan.exclude;
  excluded_ = GitRules(plan.exclude);
  plant_strangers();
  options.adopt = number == 0 && strangers_.any();
  {
    const CallScope engine_calls(&faults_);
    if (plan.new_boot) ++boots_;
    const std::string boot = "boot " + std::to_string(boots_);
    auto driver = std::make_unique<Driver>(*this, faults_, trace_);
    driver_ = driver.get();
    auto engine = EngineUnderTest::start(options, boot, std::move(driver));
    if (!engine) return fail("the engine refuses to start: " + engine.error());
    engine_ = std::move(*engine);
  }
  mount_ = std::make_unique<Mount>(mount_parts(), source_root_.get());
  ledger_.begin_session();
  workload_ = std::make_unique<Workload>(*mount_, plan_, number, trace_);
  awaited_ = nullptr;
  crashed_ = false;
  pausing_ = nullptr;
  examination_ = nullptr;
  repairs_ = 0;
  passes_awaited_ = 0;
  phase_ = Phase::kStarting;
  phase_began_ = trace_.steps();
  phase_began_at_ = SimulatedTime::elapsed();
  if (plan.wait_for_baseline) {
    awaited_ = engine_->wait_durable();
  } else {
    begin_work();
  }
  {
    const CallScope engine_calls(&faults_);
    engine_->run();
  }
  end_session(crashed_ || !failure_.empty());
}

void Run::end_session(bool crashed) {
  faults_.turn_on(false);
  faults_.refuse_name(std::nullopt);
  faults_.set_dead(crashed);
  const CallScope engine_calls(&faults_);
  actors_.clear();
  workload_.reset();
  awaited_.reset();
  pausing_.reset();
  examination_.reset();
  path_wait_.reset();
  mount_.reset();
  if (crashed) {
    // No destructor of the engine runs, as with kill -9. The memory is lost until this process
    // ends.
    static_cast<void>(engine_.release());
    playground_.close_all_but({source_root_.get(), replica_root_.get()});
  }
  engine_.reset();
  faults_.set_dead(false);
}

void Run::begin_work() {
  phase_ = Phase::kWorking;
  phase_began_ = trace_.steps();
  phase_began_at_ = SimulatedTime::elapsed();
  awaited_ = nullptr;
  faults_.turn_on(true);
  // A stop in the midst of trouble, some of which nothing that the engine does can end.
  Random trouble(mixed(plan_.schedule, 5 + session_));
  const bool sudden = plan_.sessions[session_].end == SessionEnd::kSuddenStop;
  if (sudden && trouble.chance(1, 2)) {
    faults_.refuse_name(static_cast<unsigned>(trouble.below(plan_.names)));
  }
  for (unsigned number = 0; number < plan_.actors; ++number) {
    actors_.push_back(std::make_unique<Actor>("application " + std::to_string(number),
                                              workload_->application(number)));
  }
}

/// Everything was done: what is wrong now has to be mended by the engine alone.
void Run::quiesce() {
  actors_.clear();
  if (plan_.sessions[session_].end == SessionEnd::kSuddenStop) return stop();
  faults_.turn_on(false);
  examination_ = nullptr;  // of one path: nobody waits for it any more
  phase_ = Phase::kQuiescing;
  phase_began_ = trace_.steps();
  phase_began_at_ = SimulatedTime::elapsed();
  awaited_ = engine_->wait_durable();
  trace_.say("all applications are done");
  path_wait_.reset();  // of what they did meanwhile
  if (plan_.faults.path_waits > 0 && !damaged_) wait_for_some_path();
}

void Run::stop() {
  phase_ = Phase::kStopping;
  phase_began_ = trace_.steps();
  phase_began_at_ = SimulatedTime::elapsed();
  awaited_ = engine_->drain();
  trace_.say("the stop begins");
}

void Run::advance_phase(Driver& driver) {
  switch (phase_) {
    case Phase::kStarting:
      clear_the_way();
      if (awaited_->done) begin_work();
      break;
    case Phase::kWorking: {
      const bool all_done =
          std::ranges::all_of(actors_, [](const auto& actor) { return actor->done(); });
      maybe_disturb(driver);
      maybe_examine();
      maybe_wait_for_path();
      maybe_damage();
      maybe_crash();
      if (!all_done || crashed_) break;
      driver.release_hanging();
      if (resume()) quiesce();
      break;
    }
    case Phase::kQuiescing:
      clear_the_way();
      if (path_wait_ && path_wait_->answer->done) judge_path_wait();
      if (path_wait_ || !failure_.empty()) break;
      if (awaited_->done && repair_damage() && awaited_->done) check_converged();
      break;
    case Phase::kStopping:
      if (awaited_->done) check_clean_stop();
      break;
    case Phase::kOver: break;
  }
}

void Run::maybe_crash() {
  const SessionPlan& plan = plan_.sessions[session_];
  if (plan.end != SessionEnd::kCrash || workload_->begun() < plan.crash_after) return;
  if (!random_.chance(1, 60)) return;
  trace_.say("CRASH");
  check_order();
  crashed_ = true;
  engine_->cut();
}

/// As mirrorctl does: not before the pause was answered. False: it was not yet.
bool Run::resume() {
  if (pausing_ == nullptr) return true;
  if (!pausing_->done) return false;
  pausing_ = nullptr;
  engine_->resume();
  return true;
}

/// A replica that hangs, a pause: for some time.
void Run::maybe_disturb(Driver& driver) {
  const std::uint64_t now = trace_.steps();
  if (disturbed_until_ != 0) {
    if (now < disturbed_until_) return;
    driver.release_hanging();
    if (!resume()) return;
    disturbed_until_ = 0;
    trace_.say("the disturbance ends");
    return;
  }
  const bool hang = plan_.faults.hangs != 0 && random_.chance(plan_.faults.hangs, 10'000);
  const bool pause = plan_.faults.pauses != 0 && random_.chance(plan_.faults.pauses, 10'000);
  if (!hang && !pause) return;
  disturbed_until_ = now + random_.between(5, 300);
  if (hang) driver.hang_new(true);
  if (pause) pausing_ = engine_->pause();
  trace_.say("{} begins", hang ? "a hang" : "a pause");
}

/// Everything waits for its end: the operator ends it. False: there is none. A pause may be
/// answered only after what hangs has gone on.
bool Run::end_disturbance(Driver& driver) {
  if (phase_ != Phase::kWorking || disturbed_until_ == 0) return false;
  const bool hung = driver.hanging() > 0;
  disturbed_until_ = trace_.steps();
  maybe_disturb(driver);
  return hung || disturbed_until_ == 0;
}

bool Run::step_application() {
  std::size_t found = 0;
  Actor* chosen = nullptr;
  if (phase_ != Phase::kWorking) return false;
  for (const auto& actor : actors_) {
    if (actor->can_go() && random_.below(++found) == 0) chosen = actor.get();
  }
  if (chosen == nullptr) return false;
  trace_.note(1'000'000 + static_cast<std::uint64_t>(found));
  SimulatedTime::advance(std::chrono::nanoseconds(random_.between(1000, 5000)));
  trace_.say("{}: {}", chosen->name(), chosen->doing());
  const CallScope own_calls(nullptr);
  chosen->step();
  return true;
}

bool Run::application_can_go() {
  return phase_ == Phase::kWorking &&
         std::ranges::any_of(actors_, [](const auto& actor) { return actor->can_go(); });
}

void Run::answer_some(Driver& driver) {
  std::size_t count = plan_.several_answers && random_.chance(1, 4) ? random_.between(2, 6) : 1;
  while (count > 0 && driver.answer_one(random_)) --count;
}

/// False: there is nothing that it could do.
bool Run::step_engine(Driver& driver, std::optional<ring::Clock::time_point> wake) {
  const std::size_t ready = driver.under_way() - driver.hanging();
  const std::size_t choice = random_.below(16);
  if (driver.posted() > 0 && (choice < 5 || ready == 0)) {
    trace_.note(2'000'000);
    driver.deliver_posted();
    return true;
  }
  if (ready > 0 && choice == 15) driver.execute_one(random_);
  if (ready > 0 && choice >= 1) {
    answer_some(driver);
    return true;
  }
  if (ready > 0 && !random_.chance(1, 8)) return step_engine(driver, wake);
  if (!wake) return ready > 0 && step_engine(driver, wake);
  // Applications that could go on do not wait for a clock, but seldom.
  if (application_can_go() && !random_.chance(1, 16)) return false;
  trace_.note(3'000'000);
  const auto ahead = *wake - SimulatedTime::now();
  if (ahead.count() > 0) SimulatedTime::advance(ahead);
  return true;
}

void Run::turn(Driver& driver, std::optional<ring::Clock::time_point> wake) {
  for (;;) {
    watch_progress(driver);
    if (failure_.empty()) advance_phase(driver);
    if (failure_.empty()) maybe_check_claim(driver);
    if (!failure_.empty()) {
      engine_->cut();
      return;
    }
    if (crashed_) return;
    SimulatedTime::advance(std::chrono::nanoseconds(random_.between(500, 2000)));
    if (random_.chance(plan_.application_share, 16) && step_application()) continue;
    if (step_engine(driver, wake)) return;
    if (step_application() || end_disturbance(driver)) continue;
    fail("G2: nobody can go on" + who_waits(driver));
  }
}

}  // namespace mirrorfs::simulation
