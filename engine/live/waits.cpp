#include "engine/live/waits.h"

#include <algorithm>
#include <utility>

#include "engine/live/dispatcher.h"
#include "engine/live/reconciler.h"
#include "engine/live/time_setter.h"

namespace mirrorfs::live {

void Waits::add(Wait wait) {
  if (stopped_) return wait.then(Waited::kStopped);
  const SequenceNumber number = wait.number;
  open_for(wait).emplace(number, std::move(wait));
  look();
}

/// A barrier on one object does not wait for what marks cover of others; syncfs and waits do.
Waits::ByNumber& Waits::open_for(const Wait& wait) {
  const bool of_one =
      wait.what == WaitFor::kBarrier && wait.covered && !wait.covered->entries().empty();
  return of_one ? unclosed_ : unfinished_;
}

void Waits::cancel(WaitId id) {
  for (ByNumber* const open : {&unclosed_, &unfinished_}) {
    std::erase_if(*open, [id](const auto& entry) { return entry.second.id.value == id.value; });
  }
  std::erase_if(undecided_, [id](const Wait& wait) { return wait.id.value == id.value; });
}

ring::Task<void> Waits::serve() {
  while (!stopped_) {
    co_await state_.progress.wait();
    look();
  }
}

void Waits::stop() {
  stopped_ = true;
  for (ByNumber* const open : {&unclosed_, &unfinished_}) take_through(*open, {UINT64_MAX});
  for (Wait& wait : std::exchange(undecided_, {})) wait.then(Waited::kStopped);
}

bool Waits::applications_wait_for_marks() const {
  return std::ranges::any_of(undecided_,
                             [](const Wait& wait) { return wait.what != WaitFor::kDurable; });
}

void Waits::take_through(ByNumber& open, SequenceNumber number) {
  const auto end = open.upper_bound(number);
  for (auto at = open.begin(); at != end; ++at) undecided_.push_back(std::move(at->second));
  open.erase(open.begin(), end);
}

void Waits::look() {
  take_through(unclosed_, state_.watermark.closed_through());
  take_through(unfinished_, state_.finished.closed_through());
  const auto ready = std::stable_partition(undecided_.begin(), undecided_.end(),
                                           [this](const Wait& wait) { return !is_decided(wait); });
  std::vector<Wait> done(std::make_move_iterator(ready), std::make_move_iterator(undecided_.end()));
  undecided_.erase(ready, undecided_.end());
  if (!done.empty()) decided(std::move(done));
  if (!undecided_.empty()) reconciler_.rate_limit().look();
}

/// Not marked by anything up to that number, or known to be refused.
bool Waits::is_decided(const Location& entry, SequenceNumber number) const {
  if (dispatcher_.has_covered(entry)) return false;
  const state::Mark* const mark = state_.marks.find(entry);
  return mark == nullptr || mark->since > number || !mark->cause.empty() ||
         mark->origin == state::Origin::kWalk;
}

/// What could not be applied is marked, and reconciled or found to be refused some time later.
/// Where a directory is not known, the mark that stands for the entry is somewhere above it.
bool Waits::is_decided(const Wait& wait) const {
  if (wait.what == WaitFor::kDurable) return state_.clean_through(wait.number);
  if (wait.what == WaitFor::kApplied) return dispatcher_.decided(wait.number);
  if (!wait.covered || wait.covered->entries().empty()) {
    return state_.marks.decided_through(wait.number);
  }
  return std::ranges::all_of(wait.covered->entries(), [&](const Location& entry) {
    const bool known = state_.directories.is_known(entry.parent);
    return known ? is_decided(entry, wait.number) : state_.marks.decided_through(wait.number);
  });
}

void Waits::decided(std::vector<Wait> waits) {
  std::vector<Wait> to_sync, applied;
  for (Wait& wait : waits) {
    if (covers_one_object(wait)) {
      state_.ring.spawn(sync_object_for(std::move(wait)));
    } else {
      (wait.what == WaitFor::kApplied ? applied : to_sync).push_back(std::move(wait));
    }
  }
  if (!to_sync.empty()) state_.ring.spawn(sync_for(std::move(to_sync)));
  if (!applied.empty()) state_.ring.spawn(answer_applied(std::move(applied)));
}

/// The times that an operation left to be set belong to it.
ring::Task<void> Waits::answer_applied(std::vector<Wait> waits) {
  co_await times_.flush();
  for (Wait& wait : waits) {
    wait.then(dispatcher_.refused(wait.number) ? Waited::kFailed : Waited::kDone);
  }
}

bool Waits::stands(const Wait& wait, bool synced) const {
  if (!synced) return false;
  if (wait.what == WaitFor::kDurable) return state_.clean_through(wait.number);
  // What is merely still to be compared, as during the baseline, is no failure of the replica.
  if (!wait.covered || wait.covered->entries().empty()) return state_.marks.failing() == 0;
  return std::ranges::none_of(wait.covered->entries(), [&](const Location& entry) {
    return state_.marks.is_failing(entry);
  });
}

/// fsync of a file or directory that the replica has where it should be.
bool Waits::covers_one_object(const Wait& wait) const {
  if (wait.what != WaitFor::kBarrier || !wait.covered) return false;
  return wait.covered->objects().size() == 1 && wait.covered->entries().size() == 1 &&
         state_.directories.is_known(wait.covered->entries().front().parent);
}

ring::Task<void> Waits::sync_object_for(Wait wait) {
  const bool synced = co_await durability_.sync_object(wait.covered->objects().front(),
                                                       wait.covered->entries().front());
  if (synced && !stopped_ && !is_decided(wait)) {
    undecided_.push_back(std::move(wait));  // marked while it was synced: a close has failed
    co_return look();
  }
  wait.then(stands(wait, synced) ? Waited::kDone : stopped_ ? Waited::kStopped : Waited::kFailed);
}

ring::Task<void> Waits::sync_for(std::vector<Wait> waits) {
  SequenceNumber last;
  bool all = false;
  for (const Wait& wait : waits) {
    last = std::max(last, wait.number);
    all = all || wait.what == WaitFor::kDurable;
  }
  bool synced = false;
  const std::uint64_t repaired = state_.repaired;
  if (all) {
    synced = co_await durability_.sync();
  } else {
    synced = co_await durability_.reach(last);
  }
  for (Wait& wait : waits) {
    const bool rewritten = wait.what == WaitFor::kDurable && state_.repaired != repaired;
    if (synced && !stopped_ && (rewritten || !is_decided(wait))) {
      undecided_.push_back(std::move(wait));  // marked meanwhile, as by a close that failed
    } else if (stands(wait, synced)) {
      wait.then(Waited::kDone);
    } else if (stopped_) {
      wait.then(Waited::kStopped);
    } else if (wait.what == WaitFor::kDurable) {
      undecided_.push_back(std::move(wait));
    } else {
      wait.then(Waited::kFailed);
    }
  }
  look();  // what they wait for may have come and gone while they were synced
}

}  // namespace mirrorfs::live
