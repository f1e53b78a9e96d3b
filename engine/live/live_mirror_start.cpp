// How a session begins: what is compared first, the journal, the core and its thread.
#include <memory>
#include <utility>
#include <vector>

#include "engine/live/live_mirror.h"
#include "engine/objects/file_clock.h"
#include "engine/replica/kept.h"
#include "engine/replica/probe.h"
#include "mirrorfs/log.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::live {

/// The last session's: nobody used the replica since.
std::optional<journal::JournalContent> LiveMirror::journal_of_last_session() const {
  const journal::SessionRecord& session = opened_.session;
  if (session.nonce().empty()) return std::nullopt;
  auto content = journal::MarkJournal::read(session.state_directory(), opened_.pairing.id());
  if (!content) log_warn("{}", content.error().message());
  if (!content || !*content || (*content)->owner.nonce != session.nonce()) return std::nullopt;
  return std::move(**content);
}

bool LiveMirror::is_of_this_boot(const journal::JournalContent& content) const {
  return !opened_.boot.empty() && content.owner.boot == opened_.boot;
}

/// Its marks, if the file is as the process left it, and they tell all.
std::optional<journal::JournalContent> LiveMirror::marks_in(
    std::optional<journal::JournalContent> content) const {
  if (!content || content->everything) return std::nullopt;
  if (!is_of_this_boot(*content) && !content->owner.durable) return std::nullopt;
  if (!journal::translate_device(*content, opened_.source.metadata.id())) return std::nullopt;
  return content;
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
  if (opened_.pairing.exclusion_changed()) {
    log_info("other things are excluded than before: comparing both trees");
  }
  const bool same_rules =
      !opened_.pairing.fidelity_changed() && !opened_.pairing.exclusion_changed();
  if (clean) {
    if (opened_.options.check == Check::kNone && same_rules) beginning.policy.reset();
    return beginning;
  }
  if (policy.changed_since.tv_sec == 0) policy.compare = compare::Compare::kFull;
  auto last = journal_of_last_session();
  // A power cut may take a file's times back, and leave what was written to it, on either side.
  const bool promised = opened_.options.journal == JournalKind::kDurable;
  const bool times_tell = !promised || (last && is_of_this_boot(*last));
  const bool by_marks = opened_.options.check != Check::kFull && same_rules;
  if (by_marks) beginning.marks = marks_in(std::move(last));
  if (!beginning.marks && !times_tell) policy.compare = compare::Compare::kFull;
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
  // A filesystem whose attributes need no reading back has no server.
  const auto late =
      pair.fidelity().replica.exact ? std::chrono::milliseconds(0) : opened_.options.late_requests;
  for (const std::string& path : pair.inner_mounts) boundaries.learn(source_root(), path);
  life_->core = std::make_unique<Core>(
      Core::Parts{.ring = std::move(ring),
                  .staging = std::move(*staging),
                  .intake = intake_,
                  .session = opened_.session,
                  .journal = journal_,
                  .keeper = std::move(keeper),
                  .boundaries = std::move(boundaries),
                  .exclusion = exclude::Exclusion(pair.exclude, pair.exclude_before),
                  .fidelity = pair.fidelity(),
                  .root = opened_.source.metadata.id(),
                  .source_root = source_root(),
                  .replica_root = replica_root(),
                  .pair_id = opened_.pairing.id(),
                  .scrub = scrub_.load(),
                  .rate_limit = rate_limit_.load(),
                  .late_requests = late});
  core_ = life_->core.get();
  if (on_activity_) core_->on_activity(on_activity_);
  if (journal_ != nullptr) {
    journal_->when_outdated(
        [core = core_] { core->ring().post([core] { core->disown_session(); }); });
  }
  intake_.on_work([this, core = core_] {
    if (on_activity_) on_activity_();
    core->ring().post([core] { core->work_arrived(); });
  });
  return {};
}

}  // namespace mirrorfs::live
