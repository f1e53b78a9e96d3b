#include "engine/live/path_waits.h"

#include <stdio.h>

#include <algorithm>

#include "engine/live/dispatcher.h"
#include "engine/live/durability.h"
#include "engine/live/examiner.h"
#include "engine/objects/dir_fd.h"

namespace mirrorfs::live {
namespace {

using state::DirectoryState;
constexpr std::chrono::milliseconds kFirstPause{1};
constexpr std::chrono::milliseconds kLongestPause{100};
constexpr int kShare = 4;

/// Whether an object may be without one of its names afterwards and have another.
bool moves_names(const stream::Recorded& recorded) {
  const auto* const unlink = std::get_if<Unlink>(&recorded.operation);
  return recorded.overflow != nullptr || std::holds_alternative<Unknown>(recorded.operation) ||
         std::holds_alternative<Rename>(recorded.operation) ||
         (unlink != nullptr && !unlink->last_link);
}

}  // namespace

/// The scope is registered before the source is looked at: what moves meanwhile is noticed.
ring::Task<bool> PathWaits::wait(std::vector<std::string> paths, Clock::time_point deadline) {
  Scope scope;
  const auto place = scopes_.insert(scopes_.end(), &scope);
  co_await resolve(paths, scope);
  const SequenceNumber number = state_.intake.last_recorded();
  Clock::duration pause = kFirstPause;
  bool done = false;
  while (!stopped_) {
    const Clock::time_point began = state_.ring.now();
    done = co_await reached(scope, number);
    // A look at many directories is not to keep the thread from all else.
    pause = std::max(pause, std::min<Clock::duration>(kShare * (state_.ring.now() - began),
                                                      std::chrono::seconds(1)));
    if (done || state_.ring.now() >= deadline) break;
    const bool slept = co_await state_.ring.sleep(std::min(pause, deadline - state_.ring.now()));
    if (!slept) break;
    pause = std::min<Clock::duration>(2 * pause, kLongestPause);
  }
  scopes_.erase(place);
  co_return done;
}

ring::Task<void> PathWaits::resolve(const std::vector<std::string>& paths, Scope& scope) {
  for (const std::string& path : paths) {
    std::vector<std::string> names = components_of(path);
    co_await resolve_one(std::move(names), scope);
  }
  scope.resolved = true;
}

/// Up to the first name that is missing, or is no directory.
ring::Task<void> PathWaits::resolve_one(std::vector<std::string> names, Scope& scope) {
  ObjectId parent = state_.directories.root();
  auto at = co_await state_.directories.open_source(parent);
  if (!at) scope.everything = true;
  for (const std::string& name : names) {
    if (!at) co_return;
    scope.entries.insert({parent, name});
    const auto found = co_await state_.ring.statx((*at)->get(), name.c_str());
    if (!found) {
      if (!objects::means_vanished(found.error().code)) scope.everything = true;
      co_return;
    }
    if (!found->is_directory()) {
      // Whoever names a link may mean where it leads, and a path that goes on leads there.
      scope.everything |= found->is_symlink() || &name != &names.back();
      if (found->nlink > 1) scope.linked.push_back(found->id());
      co_return;
    }
    auto opened = co_await objects::open_dir_at(state_.ring, (*at)->get(), name.c_str());
    Result<Metadata> itself = fail(ESTALE, "open directory", name);
    if (opened) itself = co_await state_.ring.statx(opened->get(), "", AT_EMPTY_PATH);
    if (!itself || itself->id() != found->id()) {  // it moves right now
      scope.everything = true;
      co_return;
    }
    parent = found->id();
    *at = std::make_shared<const objects::DirFd>(std::move(*opened));
  }
  scope.directories.insert(parent);
}

/// As long as the last session's replica is trusted not all names are known.
ring::Task<void> PathWaits::look_at_refused(Scope& scope) {
  if (scope.directories.empty() || !state_.directories.trusting()) co_return;
  std::vector<std::pair<Location, ObjectId>> unknown;
  static_cast<void>(state_.refusals.any_of([&](const Location& entry, const ObjectId& object) {
    const bool known = state_.links.contains(object) || state_.directories.contains(object) ||
                       scope.single.contains(object);
    if (!known) unknown.emplace_back(entry, object);
    return false;
  }));
  for (const auto& [entry, object] : unknown) {
    const auto parent = co_await state_.directories.open_source(entry.parent);
    if (!parent) continue;
    const auto now = co_await state_.ring.statx((*parent)->get(), entry.name.c_str());
    if (now && now->id() == object && now->nlink == 1) scope.single.insert(object);
  }
}

ring::Task<bool> PathWaits::reached(Scope& scope, SequenceNumber number) {
  co_await look_at_refused(scope);
  if (!is_settled(scope, number)) co_return false;
  scope.rewritten = false;
  const bool synced = co_await durability_.sync();
  co_return synced && !stopped_ && !scope.rewritten && !durability_.suspect() &&
      is_settled(scope, number);
}

bool PathWaits::is_settled(const Scope& scope, SequenceNumber number) const {
  if (scope.everything) {
    return state_.finished.closed_through() >= number && state_.clean();
  }
  // Objects whose names are not known may have one of these.
  if (state_.recovering || state_.owed.size() > 0 || durability_.suspect()) return false;
  if (state_.directories.unplaced() > 0) return false;
  // A reconcile finds out whether what it is for has names that this session has not met.
  const bool untried = state_.marks.size() > state_.marks.failing();
  if (state_.directories.trusting() && untried) return false;
  if (state_.watermark.closed_through() < number || !nothing_under_way_in(scope)) return false;
  const auto settled = [this](const Location& entry) { return is_settled(entry); };
  if (!std::ranges::all_of(scope.entries, settled)) return false;
  for (const ObjectId& object : scope.linked) {
    if (!std::ranges::all_of(state_.links.all(object), settled)) return false;
  }
  if (lacks_an_attribute(scope)) return false;
  return std::ranges::all_of(
      scope.directories, [this](const ObjectId& directory) { return is_settled_below(directory); });
}

/// A directory that the table does not have is covered by the nearest above it that it has, or is
/// trusted.
bool PathWaits::is_settled(const Location& entry) const {
  const auto parent = state_.directories.state(entry.parent);
  if (parent && *parent != DirectoryState::kKnown) return false;
  return !state_.marks.is_marked(entry) && !state_.refusals.contains(entry) &&
         !dispatcher_.has_covered(entry);
}

bool PathWaits::is_settled_below(const ObjectId& directory) const {
  const auto is_clean = [this](const ObjectId& one) {
    const auto known = state_.directories.state(one);
    return (!known || *known == DirectoryState::kKnown) && !state_.marks.any_in(one) &&
           state_.refusals.names_in(one).empty();
  };
  return is_clean(directory) && std::ranges::all_of(state_.directories.below(directory), is_clean);
}

/// What the replica does not take of an object is noted under one name, and is missing under all.
bool PathWaits::lacks_an_attribute(const Scope& scope) const {
  return state_.refusals.any_of([&](const Location&, const ObjectId& object) {
    if (std::ranges::find(scope.linked, object) != scope.linked.end()) return true;
    if (scope.directories.empty() || state_.directories.contains(object)) return false;
    if (!state_.links.contains(object)) {
      return state_.directories.trusting() && !scope.single.contains(object);
    }
    return std::ranges::any_of(state_.links.all(object), [&](const Location& name) {
      return inside(scope, name.parent) != Inside::kNo;
    });
  });
}

/// Operations that a mark covered when they began are closed before they are done.
bool PathWaits::nothing_under_way_in(const Scope& scope) const {
  if (dispatcher_.has_covered_links()) return false;
  return std::ranges::none_of(dispatcher_.covered_entries(),
                              [&](const auto& covered) { return may_touch(scope, covered.first); });
}

PathWaits::Inside PathWaits::inside(const Scope& scope, ObjectId directory) const {
  for (std::size_t steps = 0; !scope.directories.contains(directory); ++steps) {
    if (directory == state_.directories.root()) return Inside::kNo;
    const auto where = state_.directories.where(directory);
    // More steps than directories: a cycle, which the table may show while the source is ahead.
    if (!where || steps > state_.directories.size()) return Inside::kUnknown;
    directory = where->parent;
  }
  return Inside::kYes;
}

bool PathWaits::may_touch(const Scope& scope, const Location& entry) const {
  return scope.entries.contains(entry) || inside(scope, entry.parent) != Inside::kNo;
}

/// Whether an object of the scope may be under another name afterwards, or one that keeps other
/// names loses that by which it is in the scope.
bool PathWaits::may_leave(const Scope& scope, const stream::Recorded& recorded) const {
  if (recorded.covers_everything() || recorded.overflow != nullptr) return true;
  if (std::holds_alternative<Unknown>(recorded.operation)) {
    return recorded.footprint->change() == Footprint::Change::kNames &&
           std::ranges::any_of(recorded.footprint->entries(),
                               [&](const Location& entry) { return may_touch(scope, entry); });
  }
  if (const auto* rename = std::get_if<Rename>(&recorded.operation)) {
    return may_touch(scope, rename->from) || may_touch(scope, rename->to);
  }
  const auto* unlink = std::get_if<Unlink>(&recorded.operation);
  return unlink != nullptr && !unlink->last_link && may_touch(scope, unlink->where);
}

void PathWaits::begins(const stream::Recorded& recorded) {
  for (Scope* const scope : scopes_) {
    if (scope->everything) continue;
    if (!scope->resolved) {
      scope->everything = moves_names(recorded);
    } else {
      scope->everything = may_leave(*scope, recorded);
    }
  }
}

void PathWaits::reconciled(const ObjectId& directory) {
  for (Scope* const scope : scopes_) {
    scope->rewritten |= !scope->resolved || inside(*scope, directory) != Inside::kNo ||
                        std::ranges::any_of(scope->entries, [&](const Location& entry) {
                          return entry.parent == directory;
                        });
  }
}

}  // namespace mirrorfs::live
