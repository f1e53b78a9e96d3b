#include "engine/live/examiner.h"

#include <algorithm>

#include "engine/compare/reconcile.h"
#include "engine/live/reconciler.h"
#include "engine/objects/dir_fd.h"
#include "engine/stream/claims.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::live {
namespace {

using state::DirectoryState;
constexpr std::chrono::milliseconds kPoll{2};
constexpr std::chrono::milliseconds kLongestBetween{500};
/// What is queued has to be applied before a look, which is no fault of what is looked at.
constexpr std::chrono::seconds kLongestLag{60};
constexpr unsigned kLooks = 2;

/// Whether nothing happened to it between two looks.
bool stood_still(const Metadata& a, const Metadata& b) {
  return a.id() == b.id() && same_time(a.ctime, b.ctime);
}

/// What it was about went away, or changed each time that it was looked at.
bool is_of_the_moment(const Error& failure) {
  return objects::means_vanished(failure.code) || failure.code == EBUSY;
}

/// A path that comes from outside: what is ours in the replica's root is none of the trees'.
bool is_mirrored(const std::vector<std::string>& names) {
  if (!names.empty() && names.front() == kReservedName) return false;
  return std::ranges::find(names, "..") == names.end();
}

}  // namespace

std::vector<std::string> components_of(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

/// Notes what a comparison says.
class Examiner::Remarks final : public compare::Observer {
 public:
  explicit Remarks(Look& look) : look_(look) {}
  void difference(std::string_view, std::string_view what) override {
    if (!look_.what.empty()) look_.what += ", ";
    look_.what += what;
  }
  void failed(std::string_view, const Error& error) override { look_.failure = error; }

 private:
  Look& look_;
};

ring::Task<Result<Examiner::Directory>> Examiner::open(std::vector<std::string> names) {
  Directory at{.steps = {}, .id = state_.directories.root(), .source = {}, .replica = {}};
  auto source = co_await state_.directories.open_source(at.id);
  if (!source) co_return std::unexpected(source.error());
  auto replica = co_await state_.directories.open_replica(at.id);
  if (!replica) co_return std::unexpected(replica.error());
  at.source = std::move(*source);
  at.replica = std::move(*replica);
  for (const std::string& name : names) {
    Result<objects::DirFd> ours =
        co_await objects::open_dir_at(state_.ring, at.source->get(), name.c_str());
    if (!ours) co_return std::unexpected(ours.error());
    Result<objects::DirFd> theirs =
        co_await objects::open_dir_at(state_.ring, at.replica->get(), name.c_str());
    if (!theirs) co_return std::unexpected(theirs.error());
    const auto found = co_await state_.ring.statx(ours->get(), "", AT_EMPTY_PATH);
    if (!found) co_return std::unexpected(found.error());
    at.steps.push_back({at.id, name});
    at.id = found->id();
    at.source = std::make_shared<const objects::DirFd>(std::move(*ours));
    at.replica = std::make_shared<const objects::DirFd>(std::move(*theirs));
  }
  co_return at;
}

/// The entry, or the first on the way to it that is no directory on both sides.
ring::Task<Result<Examiner::Place>> Examiner::reach(std::string path) {
  std::vector<std::string> names = components_of(path);
  while (!names.empty()) {
    std::string name = std::move(names.back());
    names.pop_back();
    Result<Directory> directory = co_await open(names);
    if (directory) co_return Place{std::move(*directory), std::move(name)};
    if (!objects::means_vanished(directory.error().code)) co_return pass_on(std::move(directory));
  }
  Result<Directory> root = co_await open(std::move(names));
  if (!root) co_return pass_on(std::move(root));
  co_return Place{std::move(*root), {}};
}

Examiner::Owed Examiner::owed(const Directory& directory, const std::string& name,
                              const Metadata* source) const {
  if (state_.recovering) return Owed::kMoving;
  std::vector<Location> entries = directory.steps;
  entries.push_back({directory.id, name});
  Owed result = Owed::kNothing;
  for (const Location& entry : entries) {
    if (state_.refusals.contains(entry)) return Owed::kKnown;
    const state::Mark* const mark = state_.marks.find(entry);
    if (mark != nullptr && !mark->cause.empty()) return Owed::kKnown;
    const auto parent = state_.directories.state(entry.parent);
    const bool covered = parent && *parent != DirectoryState::kKnown;
    if (mark != nullptr || covered) result = Owed::kMoving;
  }
  const ObjectId object = name.empty()        ? directory.id
                          : source != nullptr ? source->id()
                                              : ObjectId{};
  if (!object) return result;
  const auto itself = state_.directories.state(object);
  // The times of a directory follow when what is marked in it is done.
  const bool unsettled =
      (itself && *itself != DirectoryState::kKnown) || state_.marks.any_moving_in(object);
  if (unsettled || state_.times.find(object) != nullptr) result = Owed::kMoving;
  return result;
}

/// For comparisons that change nothing.
compare::Context Examiner::reading(compare::Observer& observer, copy::HardlinkMap& links) {
  return {.ring = state_.ring,
          .writer = state_.writer,
          .staging = nullptr,
          .hardlinks = links,
          .observer = observer,
          .limits = limits_,
          .rights = state_.rights,
          .boundaries = &state_.boundaries,
          .exclusion = &state_.exclusion};
}

ring::Task<void> Examiner::compare_attributes(const Directory& directory, Look& look) {
  Remarks remarks(look);
  copy::HardlinkMap links(state_.directories);
  const compare::Context context = reading(remarks, links);
  const compare::DirectoryPair pair{directory.id, directory.source->get(),
                                    directory.replica->get()};
  const auto source = co_await state_.ring.statx(pair.source, "", AT_EMPTY_PATH);
  if (!source) {
    look.failure = source.error();
    co_return;
  }
  look.source = *source;
  const compare::FinishOptions options{.source = *source, .replica = {}};
  const compare::Policy policy{.dry_run = true};
  const auto done =
      co_await compare::finish_directory(context, pair, std::string(), options, policy);
  static_cast<void>(done);  // the remarks have it
}

/// Its attributes: what is in it has paths of its own.
ring::Task<void> Examiner::look_at_directory(const Directory& parent, std::string name,
                                             Look& look) {
  Result<objects::DirFd> ours =
      co_await objects::open_dir_at(state_.ring, parent.source->get(), name.c_str());
  Result<objects::DirFd> theirs =
      co_await objects::open_dir_at(state_.ring, parent.replica->get(), name.c_str());
  if (!ours || !theirs) {
    look.failure = !ours ? ours.error() : theirs.error();
    co_return;
  }
  const Directory itself{.steps = {},
                         .id = look.source->id(),
                         .source = std::make_shared<const objects::DirFd>(std::move(*ours)),
                         .replica = std::make_shared<const objects::DirFd>(std::move(*theirs))};
  co_await compare_attributes(itself, look);
}

/// Another name of the object that is known to be right has to be one of the replica's object.
ring::Task<void> Examiner::look_at_links(const Directory& directory, const std::string& name,
                                         Look& look) {
  const ObjectId object = look.source->id();
  if (state_.links.is_split(object)) co_return;
  const Location here{directory.id, name};
  for (std::size_t index = 0; const auto other = state_.links.at(object, index, false); ++index) {
    const bool clean = *other != here && state_.directories.is_known(other->parent) &&
                       !state_.marks.is_marked(*other);
    if (!clean) continue;
    const auto parent = co_await state_.directories.open_replica(other->parent);
    if (!parent) co_return;
    const auto there = co_await state_.ring.statx((*parent)->get(), other->name.c_str());
    const auto this_one = co_await state_.ring.statx(directory.replica->get(), name.c_str());
    if (there && this_one && there->id() != this_one->id()) {
      look.what = "hard link: not the same object as '" + other->name + "'";
    }
    co_return;
  }
}

ring::Task<Examiner::Look> Examiner::look(const Directory& directory, std::string name, bool full) {
  Look look;
  if (name.empty()) {
    co_await compare_attributes(directory, look);
    co_return look;
  }
  Remarks remarks(look);
  copy::HardlinkMap links(state_.directories);
  const compare::Context context = reading(remarks, links);
  compare::DirectoryPair pair{directory.id, directory.source->get(), directory.replica->get()};
  for (const Location& step : directory.steps) pair.path = exclude::joined(pair.path, step.name);
  if (state_.exclusion.patterns().excludes(pair.path, true)) co_return look;
  const compare::Policy policy{.compare = full ? compare::Compare::kFull : compare::Compare::kQuick,
                               .dry_run = true};
  auto result =
      co_await compare::reconcile_entry(context, pair, name, std::nullopt, std::nullopt, policy);
  if (!result) co_return look;
  look.source = result->source;
  if (!look.what.empty() || !result->source) co_return look;
  if (result->is_directory) {
    co_await look_at_directory(directory, name, look);
  } else if (result->source->nlink > 1) {
    co_await look_at_links(directory, name, look);
  }
  co_return look;
}

ring::Task<bool> Examiner::settle(Clock::time_point deadline) {
  const stream::Look from = state_.intake.look();
  const auto wait = [&]() -> ring::Task<bool> {
    if (state_.ring.now() >= deadline || (paused && paused())) co_return false;
    const bool slept = co_await state_.ring.sleep(kPoll);
    co_return slept;
  };
  while (!state_.intake.all_recorded(from.number)) {
    const bool go_on = co_await wait();
    if (!go_on) co_return false;
  }
  const SequenceNumber last = state_.intake.last_recorded();
  while (state_.finished.closed_through() < last) {
    const bool go_on = co_await wait();
    if (!go_on) co_return false;
  }
  co_return true;
}

/// The name may have come to mean another object while the two were read.
ring::Task<bool> Examiner::still_shows(const Place& place, const Look& look) {
  const auto now = co_await state_.ring.statx(place.directory.source->get(), place.name.c_str(),
                                              AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
  if (!look.source) co_return !now && now.error().code == ENOENT;
  co_return now&& stood_still(*now, *look.source);
}

ring::Task<Result<Examiner::Round>> Examiner::round(std::string path, bool full) {
  Result<Place> place = co_await reach(std::move(path));
  if (!place) co_return pass_on(std::move(place));
  Round found;
  found.seen = co_await look(place->directory, place->name, full);
  found.shown = found.seen.source;
  if (!found.seen.what.empty()) found.stood_still = co_await still_shows(*place, found.seen);
  if (!found.shown && !place->name.empty()) {
    const auto replica =
        co_await state_.ring.statx(place->directory.replica->get(), place->name.c_str());
    if (replica) found.shown = *replica;
  }
  const Metadata* const source = found.seen.source ? &*found.seen.source : nullptr;
  found.owed = owed(place->directory, place->name, source);
  co_return found;
}

ring::Task<Examined> Examiner::examine(std::string path, Options options) {
  if (!is_mirrored(components_of(path))) co_return Examined{Finding::kFailed, "not mirrored"};
  std::optional<Metadata> last;
  unsigned same = 0;
  auto between = options.between;
  const Clock::time_point latest = options.deadline + kLongestLag;
  for (;;) {
    const bool stuck = paused && paused();
    const Clock::time_point began = state_.ring.now();
    bool settled = false;
    if (!stuck) settled = co_await settle(latest);
    options.deadline = std::min(latest, options.deadline + (state_.ring.now() - began));
    Result<Round> now = co_await round(path, options.full);
    const bool over = state_.ring.now() >= options.deadline || state_.ring.stopping();
    if (!now && over) co_return Examined{Finding::kFailed, now.error().message()};
    const bool owed = now && now->owed != Owed::kNothing;
    if (now && !now->seen.failure && now->seen.what.empty() && !owed) co_return Examined{};
    const bool counts = settled && now && !owed && !now->seen.failure && now->stood_still;
    std::optional<Metadata> shown;
    if (counts) shown = now->shown;
    same = shown && last && stood_still(*last, *shown) ? same + 1 : counts ? 1 : 0;
    last = shown;
    if (same >= kLooks) {
      if (options.repair) co_await mark(path, options.deadline);
      co_return Examined{Finding::kDiffers, now->seen.what};
    }
    if (now && (over || stuck)) {
      const auto& failure = now->seen.failure;
      if (failure && !is_of_the_moment(*failure)) {
        co_return Examined{Finding::kFailed, failure->message()};
      }
      const bool known = stuck || now->owed == Owed::kKnown;
      if (!known) co_return Examined{Finding::kBusy, now->seen.what};
      if (now->seen.what.empty()) co_return Examined{};
      co_return Examined{Finding::kKnown, now->seen.what};
    }
    co_await state_.ring.sleep(between);
    between = std::min<std::chrono::milliseconds>(std::max(between * 2, options.between),
                                                  std::max(kLongestBetween, options.between));
  }
}

/// Directories that the table does not have, or has elsewhere, are met by a reconcile of their
/// entry, which walks them. True: there was one.
bool Examiner::mark_unplaced(const Directory& directory) {
  for (std::size_t at = 0; at < directory.steps.size(); ++at) {
    const bool is_last = at + 1 == directory.steps.size();
    const ObjectId& id = is_last ? directory.id : directory.steps[at + 1].parent;
    if (state_.directories.where(id) == directory.steps[at]) continue;
    request(directory.steps[at]);
    return true;
  }
  return false;
}

void Examiner::request(const Location& entry) {
  reconciler_.request(entry, state::kSinceEver);
  const state::Mark* const mark = state_.marks.find(entry);
  if (mark != nullptr && mark->kept == nullptr) {
    state_.marks.keep(entry, state_.keep_in_journal(entry, {}));
  }
  state_.progressed();
}

ring::Task<void> Examiner::mark(std::string path, Clock::time_point deadline) {
  for (;;) {
    Result<Place> place = co_await reach(path);
    if (!place) co_return;
    if (place->name.empty()) {
      co_await mend_root();
      co_return;
    }
    const Owed now = owed(place->directory, place->name, nullptr);
    if (now == Owed::kNothing && !mark_unplaced(place->directory)) {
      request({place->directory.id, place->name});
      co_return;
    }
    // Whatever covers it now may compare less than all.
    const bool slept = co_await state_.ring.sleep(kPoll * 5);
    if (!slept || state_.ring.now() >= deadline) co_return;
  }
}

/// The root has no entry to mark.
ring::Task<void> Examiner::mend_root() {
  stream::ClaimSet claims;
  claims.exclusive(stream::object_key(state_.directories.root()));
  Hold hold(state_);
  co_await hold.acquire(claims);
  const Result<void> done = co_await reconciler_.reconcile_root();
  if (!done) state_.count_error(done.error().message());
  state_.progressed();
}

}  // namespace mirrorfs::live
