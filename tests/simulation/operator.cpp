// What the operator does while all goes on: verify, repair, the scrub; and what others do to the
// replica behind everybody's back.
#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>

#include "damage.h"
#include "oracle.h"
#include "run.h"

namespace mirrorfs::simulation {
namespace {

constexpr unsigned kMostRepairs = 12;

}  // namespace

/// A look at one path, as the application's work goes on. What nobody has damaged does not differ:
/// it is on its way, or known.
void Run::maybe_examine() {
  if (examination_ != nullptr) {
    if (!examination_->done) return;
    for (const std::string& line : examination_->differing) {
      trace_.say("verify: {}", line);
      if (!damaged_) fail("verify on a live mount tells a difference that is none: " + line);
    }
    examination_ = nullptr;
    return;
  }
  const unsigned often = plan_.faults.examinations;
  if (often == 0 || !chaos_.chance(often, 10'000)) return;
  const std::vector<std::string> all = all_paths(source_root_.get(), replica_root_.get());
  const std::string path = all[chaos_.below(all.size())];
  const bool repair = chaos_.chance(1, 2);
  trace_.say("the operator verifies '{}'{}", path, repair ? " and repairs it" : "");
  examination_ = engine_->examine({.paths = {path}, .full = true, .repair = repair});
}

void Run::wait_for_some_path() {
  std::vector<std::string> all;
  {
    const CallScope own_calls(nullptr);
    all = all_paths(source_root_.get(), replica_root_.get());
  }
  const std::string path = all[chaos_.below(all.size())];
  trace_.say("somebody waits for '{}'", path);
  path_wait_ = PathWait{path, engine_->wait_for_paths({path}), engine_->status().completed,
                        mount_->under_way() == 0};
}

void Run::maybe_wait_for_path() {
  if (path_wait_) {
    if (path_wait_->answer->done) judge_path_wait();
    return;
  }
  const unsigned often = plan_.faults.path_waits;
  if (often > 0 && chaos_.chance(often, 10'000)) wait_for_some_path();
}

/// Where nothing has changed since the question, what was waited for is equal. A further name may
/// be missing elsewhere.
void Run::judge_path_wait() {
  const PathWait wait = *std::exchange(path_wait_, std::nullopt);
  trace_.say("'{}' is {}", wait.path, wait.answer->good ? "durable" : "not durable");
  const bool still =
      wait.quiet && mount_->under_way() == 0 && engine_->status().completed == wait.completed;
  if (!wait.answer->good || !still || damaged_) return;
  for (const std::string& line : differences_now(1000)) {
    const bool inside = wait.path.empty() || line.starts_with(wait.path + ": ") ||
                        line.starts_with(wait.path + "/");
    const bool of_names = line.find(": number of names") != std::string::npos ||
                          line.find(": is linked with") != std::string::npos;
    if (inside && !of_names) fail("a wait for '" + wait.path + "' ends too early: " + line);
  }
}

/// Not where others damage the replica: they would be damaged, too.
void Run::plant_strangers() {
  strangers_.forget_others(excluded_);
  if (!excluded_.any() || plan_.faults.damages != 0) return;
  Random random(mixed(plan_.seed, 10 + session_));
  // A replica that is not empty is not adopted for a source that is.
  const bool adopts = session_ == 0;
  if (adopts && all_paths(source_root_.get(), source_root_.get()).size() < 2) return;
  for (const std::string& path : strangers_.plant(plan_, excluded_, random, adopts)) {
    trace_.say("somebody puts '{}' on the replica", path);
    WriteBack* const disk = faults_.write_back();
    if (disk == nullptr) continue;
    const UniqueFd file(::openat(replica_root_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    disk->succeeded(file.get());
  }
}

/// Where the source has something else than a directory that stays for what is excluded, nothing
/// but this can help.
void Run::clear_the_way() {
  constexpr std::uint64_t kPatience = 500;  // steps
  if (!excluded_.any() || awaited_->done) return;
  if (trace_.steps() - way_cleared_ < kPatience) return;
  way_cleared_ = trace_.steps();
  const CallScope own_calls(nullptr);
  for (const std::string& path : strangers_.clear_the_way(source_root_.get(), excluded_)) {
    trace_.say("somebody removes '{}' from the replica", path);
  }
}

void Run::maybe_damage() {
  const unsigned often = plan_.faults.damages;
  if (often == 0 || !chaos_.chance(often, 10'000)) return;
  const CallScope own_calls(nullptr);
  const std::string done = damage_tree(replica_root_.get(), chaos_);
  if (done.empty()) return;
  damaged_ = ever_damaged_ = true;
  trace_.say("somebody {} on the replica", done);
}

/// Nobody verifies, as the scrub mends by itself what others have damaged: the pass that is under
/// way, and one more. What the trees are then is judged like everything else.
bool Run::scrubbed() {
  const std::uint64_t passes = engine_->status().scrub.passes_total;
  if (passes_awaited_ == 0) passes_awaited_ = passes + 2;
  if (passes < passes_awaited_) return false;
  trace_.say("the scrub has passed over everything");
  damaged_ = false;
  awaited_ = engine_->wait_durable();
  return false;
}

/// Applications are done: everything is verified, and what differs repaired, until nothing does.
/// True: that is the case.
bool Run::repair_damage() {
  if (!damaged_) return true;
  if (plan_.sessions[session_].scrub.count() > 0) return scrubbed();
  if (examination_ != nullptr) {
    if (!examination_->done) return false;
    const bool found = examination_->undecided || !examination_->differing.empty();
    for (const std::string& line : examination_->differing) trace_.say("repaired: {}", line);
    examination_ = nullptr;
    if (!found) {
      damaged_ = false;
      awaited_ = engine_->wait_durable();  // an earlier repair may have ended meanwhile
      return false;
    }
    if (++repairs_ > kMostRepairs) {
      fail("G2: a repair does not end");
      return false;
    }
    awaited_ = engine_->wait_durable();
    return false;
  }
  trace_.say("the operator verifies and repairs everything");
  examination_ = engine_->examine(
      {.paths = all_paths(source_root_.get(), replica_root_.get()), .full = true, .repair = true});
  return false;
}

/// Nobody else has touched the replica: what the scrub tells to differ would have been lost by us.
void Run::check_scrub() {
  if (ever_damaged_) return;
  const ScrubStatus scrub = engine_->status().scrub;
  if (scrub.differences_total > 0) {
    fail(fmt::format("the scrub tells {} differences though nobody has damaged the replica",
                     scrub.differences_total));
  }
}

}  // namespace mirrorfs::simulation
