// What of a run is judged, and when.
#include <fmt/core.h>

#include "oracle.h"
#include "run.h"

namespace mirrorfs::simulation {
namespace {

constexpr std::uint64_t kMostStepsToQuiesce = 50'000;
constexpr std::chrono::minutes kMostTimeToQuiesce{10};
constexpr unsigned kMostOrdersChecked = 8;
constexpr unsigned kMostClaimsChecked = 3;  // a comparison costs as much as many steps

/// What the engine says of itself when it says that all is well.
bool claims_equality(const EngineStatus& status) {
  return status.state == MirrorState::kInSync && status.marks == 0 && status.queued_ops == 0;
}

}  // namespace

std::vector<std::string> Run::differences_now(std::size_t most) const {
  return differences(source_root_.get(), replica_root_.get(), most, excluded_);
}

void Run::compare(const char* promise, const std::string& when) {
  if (const auto lost = strangers_.lost()) {
    return fail(fmt::format("what is excluded was not left alone, as seen {}: {}", when, *lost));
  }
  const std::vector<std::string> lines = differences_now();
  if (lines.empty()) return;
  std::string text = fmt::format("{}: the trees differ {}:", promise, when);
  for (const std::string& line : lines) text += "\n    " + line;
  fail(std::move(text));
}

void Run::fail_if(const std::optional<std::string>& broken) {
  if (broken) fail(*broken);
}

MountParts Run::mount_parts() {
  return {
      .engine = *engine_,
      .identity = identity_,
      .trace = trace_,
      .look_fails = [this] { return faults_.look_fails(); },
      .allocation_fails = [this] { return faults_.allocation_fails(); },
      .waiter_is_killed = [this] { return faults_.waiter_is_killed(); },
      .recorded = [this](SequenceNumber number, bool barrier) { note_recorded(number, barrier); },
      .settled = [this](SequenceNumber number, bool barrier,
                        ObjectId covered) { note_settled(number, barrier, covered); },
      .order_is_claimed = [this] { return claims_order(); }};
}

void Run::note_recorded(SequenceNumber number, bool barrier) {
  if (barrier) return ledger_.barrier(number);
  const std::uint64_t effect = Actor::current().effect;
  if (effect != 0) ledger_.recorded(effect, number, claims_order());
}

/// Order and durability are promised while nothing is to be reconciled, as far as the engine can
/// know.
bool Run::claims_order() {
  if (driver_->loss_untold() || damaged_) return false;
  const EngineStatus status = engine_->status();
  return status.marks == 0 && !status.baseline.running &&
         (status.state == MirrorState::kInSync || status.state == MirrorState::kLagging);
}

void Run::note_settled(SequenceNumber number, bool barrier, ObjectId covered) {
  if (!claims_order()) return;
  if (plan_.sessions[session_].mode == Mode::kSync) fail_if(ledger_.not_applied(number));
  if (!barrier) return;
  const NodeRef node = mount_->nodes().find(covered);
  const bool ledger = node != nullptr && Nodes::is_at(node, mount_->nodes().root(), Ledger::kName);
  if (ledger || !covered) fail_if(ledger_.not_durable(number, ledger));
}

void Run::check_order() {
  if (claims_order()) fail_if(ledger_.broken_order());
}

void Run::check_converged() {
  if (!awaited_->good) return fail("G2: wait failed");
  if (WriteBack* const disk = faults_.write_back()) {
    if (const unsigned changed = disk->drop_cache()) {
      trace_.say("the replica's cache is dropped: {} files show what the disk has", changed);
    }
  }
  const EngineStatus status = engine_->status();
  if (status.marks != 0) return fail(fmt::format("G2: {} marks after wait", status.marks));
  compare("G2", "after wait");
  check_scrub();
  stop();
}

void Run::check_clean_stop() {
  phase_ = Phase::kOver;
  // In the midst of trouble it need not be; then the next session has to know.
  const bool troubled = plan_.sessions[session_].end == SessionEnd::kSuddenStop;
  if (!awaited_->good && troubled) return trace_.say("the stop was not clean");
  if (!awaited_->good) return fail("G2: the stop was not clean");
  if (!damaged_) compare("G1", "after a clean stop");
}

/// G1: whenever the engine says that nothing is missing, nothing is.
void Run::maybe_check_claim(const Driver& driver) {
  if (phase_ != Phase::kWorking) return;
  if (driver.posted() == 0 && orders_checked_ < kMostOrdersChecked && random_.chance(1, 32)) {
    ++orders_checked_;
    check_order();
  }
  if (claims_checked_ >= kMostClaimsChecked) return;
  // The daemon asks through post(), behind what was posted before.
  if (driver.posted() > 0 || mount_->under_way() > 0 || !random_.chance(1, 16)) return;
  if (damaged_ || !claims_equality(engine_->status())) return;
  ++claims_checked_;
  compare("G1", "while the engine says in-sync, with no mark and an empty queue");
}

void Run::watch_progress(const Driver& driver) {
  const bool too_many_steps = trace_.steps() - phase_began_ > kMostStepsToQuiesce;
  const bool too_late = SimulatedTime::elapsed() - phase_began_at_ > kMostTimeToQuiesce;
  const bool too_long = too_many_steps || (too_late && phase_ != Phase::kWorking);
  if (too_long && phase_ == Phase::kStopping && faults_.refuses_a_name()) {
    // As --drain-timeout does: it ends as if it were killed.
    trace_.say("the stop is given up");
    crashed_ = true;
    engine_->cut();
    return;
  }
  if (too_long && failure_.empty()) fail("G2: no convergence" + who_waits(driver));
}

std::string Run::who_waits(const Driver& driver) {
  static constexpr const char* kPhases[] = {"the baseline", "the applications", "wait", "the stop",
                                            "the end"};
  const EngineStatus status = engine_->status();
  std::string text = fmt::format(
      " in {}: {}, completed {}, applied {}, marks {}, last error '{}', {} requests hang",
      kPhases[static_cast<int>(phase_)], to_string(status.state), status.completed.value,
      status.applied.value, status.marks, status.last_error, driver.hanging());
  for (const FailedObject& object : status.failed) {
    text += fmt::format("\n    {}: {}", object.path, object.cause);
  }
  for (const auto& actor : actors_) {
    if (!actor->done()) text += fmt::format("\n    {}: {}", actor->name(), actor->doing());
  }
  return text;
}

}  // namespace mirrorfs::simulation
