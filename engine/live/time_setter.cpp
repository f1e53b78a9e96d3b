#include "engine/live/time_setter.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "engine/live/reconciler.h"
#include "engine/objects/dir_fd.h"
#include "engine/stream/claims.h"

namespace mirrorfs::live {
namespace {

constexpr std::chrono::milliseconds kQuiet{10};
constexpr std::chrono::milliseconds kLongest{200};
/// A name that the source does not show is somebody's rename, recorded a moment later; but not for
/// ever.
constexpr std::chrono::seconds kPatience{1};
constexpr std::size_t kAtOnce = 32;

/// The source has another object under the name, or none.
bool shows_no_more(const Error& error) {
  return error.code == ENOENT || error.code == ESTALE || error.code == ENOTDIR;
}

}  // namespace

ring::Task<void> TimeSetter::run() {
  while (!state_.ring.stopping()) {
    if (state_.times.size() == 0) {
      state_.times_noted.reset();
      co_await state_.times_noted.wait();
    }
    const bool slept = co_await state_.ring.sleep(kQuiet);
    if (!slept) co_return;
    const auto now = state::PendingTimes::Clock::now();
    std::vector<ObjectId> due = state_.times.due(now - kQuiet, now - kLongest);
    co_await set_all(std::move(due));
  }
}

ring::Task<void> TimeSetter::flush() {
  std::vector<ObjectId> all = state_.times.all();
  co_await set_all(std::move(all));
}

ring::Task<void> TimeSetter::flush(ObjectId object) {
  std::vector<ObjectId> one;
  if (state_.times.find(object) != nullptr) one.push_back(object);
  co_await set_all(std::move(one));
}

ring::Task<void> TimeSetter::set_all(std::vector<ObjectId> objects) {
  if (objects.empty()) co_return;
  ring::Semaphore turns(kAtOnce);
  ring::TaskGroup group(state_.ring);
  const auto one = [this](ObjectId object, ring::Permit permit) -> ring::Task<void> {
    const ring::Permit held = std::move(permit);
    if (state_.directories.contains(object)) {
      co_await set_directory(object);
    } else {
      co_await set_object(object);
    }
  };
  for (const ObjectId& object : objects) {
    ring::Permit permit = co_await turns.acquire();
    group.spawn(one(object, std::move(permit)));
  }
  co_await group.join();
}

/// Its walk, or the reconcile of its entry, sets them too.
ring::Task<void> TimeSetter::set_directory(ObjectId directory) {
  stream::ClaimSet claims;
  claims.exclusive(stream::object_key(directory));
  Hold hold(state_);
  co_await hold.acquire(claims);
  if (state_.times.find(directory) == nullptr) co_return;
  if (!state_.directories.is_known(directory)) {
    state_.times.drop(directory);
    co_return;
  }
  const auto opened = co_await state_.directories.open_replica(directory);
  const auto looked = co_await look(directory, std::nullopt);
  const state::PendingTimes::Pending* pending = state_.times.find(directory);
  if (pending == nullptr) co_return;
  if (!looked && shows_no_more(looked.error()) && source_is_ahead(directory)) co_return;
  Result<void> done;
  if (!opened || !looked) {
    done = std::unexpected(opened ? looked.error() : opened.error());
  } else {
    done = state_.writer.set_times((*opened)->get(), pending->after, state_.rights);
    if (!done && is_refused(directory, reconciler_.own_entry(directory), done.error())) done = {};
  }
  state_.times.drop(directory);
  if (done) co_return;
  const auto where = state_.directories.where(directory);
  if (directory == state_.directories.root()) {
    reconciler_.request_listing(directory);
  } else if (where && state_.directories.takes_marks(where->parent)) {
    reconciler_.request(*where, state::kSinceEver);
    reconciler_.suspect(*where, done.error());
  }
}

bool TimeSetter::is_refused(const ObjectId& object, const Location& where, const Error& error) {
  if (!objects::is_refusal(error)) return false;
  reconciler_.refuse(where, object, error);
  return true;
}

/// A name under which the replica has the object; none: what is marked sets its times, too.
std::optional<Location> TimeSetter::usable_name(const ObjectId& object) const {
  const auto usable = [this](const Location& name) {
    return state_.directories.is_known(name.parent) && !state_.marks.is_marked(name) &&
           !state_.directories.excludes(name, false);
  };
  const state::PendingTimes::Pending* pending = state_.times.find(object);
  if (pending != nullptr && pending->where && usable(*pending->where)) return pending->where;
  for (const Location& name : state_.links.all(object)) {
    if (usable(name)) return name;
  }
  return std::nullopt;
}

/// Its only name is marked or gone: then nothing is to be set. Of an object with more names one may
/// be marked and turn out to be another's; if its reconcile has not set the times, only a walk
/// finds the others.
void TimeSetter::without_a_name(const ObjectId& object) {
  const bool others = state_.times.find(object)->after.nlink > 1;
  if (others && !state_.nothing_marked()) return;
  state_.times.drop(object);
  if (others) reconciler_.request_everything();
}

/// A mark on one name tells nobody that the others lack the same.
void TimeSetter::owe_other_names(const ObjectId& object) {
  const state::PendingTimes::Pending* pending = state_.times.find(object);
  const bool others =
      pending != nullptr && (pending->after.nlink > 1 || state_.links.count(object) > 1);
  if (others) state_.owed.add(object, state_.intake.last_recorded());
}

ring::Task<void> TimeSetter::set_object(ObjectId object) {
  while (state_.times.find(object) != nullptr) {
    const std::optional<Location> name = usable_name(object);
    if (!name && state_.directories.unsettled() > 0) co_return;
    stream::ClaimSet claims;
    claims.exclusive(stream::object_key(object));
    if (name) {
      claims.shared(stream::object_key(name->parent));
      claims.shared(stream::entry_key(name->parent, name->name));
    } else if (!state_.files.find(object, std::nullopt)) {
      co_return without_a_name(object);
    }
    Hold hold(state_);
    co_await hold.acquire(claims);
    if (usable_name(object) != name) continue;  // renamed meanwhile
    const Result<void> set = co_await set_held(object, name);
    const bool later = !set && shows_no_more(set.error()) && source_is_ahead(object);
    if (!set && name && !later) {
      owe_other_names(object);
      reconciler_.request(*name, state::kSinceEver);
      reconciler_.suspect(*name, set.error());
    }
    co_return;
  }
}

/// The mount tells the times of every object with several names: one whose times are not known
/// loses its only name.
ring::Task<Result<void>> TimeSetter::set_claimed(ObjectId object) {
  const state::PendingTimes::Pending* pending = state_.times.find(object);
  if (pending == nullptr || !pending->after.times_known) co_return Result<void>{};
  co_return co_await set_held(object, usable_name(object));
}

/// Makes the times known. Under the claims on the object no operation on it is applied meanwhile.
ring::Task<Result<void>> TimeSetter::look(ObjectId object, std::optional<Location> where) {
  const state::PendingTimes::Pending* pending = state_.times.find(object);
  if (pending == nullptr || pending->after.times_known) co_return Result<void>{};
  const auto seen = co_await look_at_source(object, std::move(where));
  if (!seen) co_return std::unexpected(seen.error());
  state_.times.learn(object, *seen);
  co_return Result<void>{};
}

ring::Task<Result<Metadata>> TimeSetter::look_at_source(ObjectId object,
                                                        std::optional<Location> where) {
  const auto source = co_await state_.directories.open_source(where ? where->parent : object);
  if (!source) co_return std::unexpected(source.error());
  const std::string name = where ? where->name : std::string();
  const int flags = where ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
  const auto seen = co_await state_.ring.statx((*source)->get(), name.c_str(), flags);
  if (seen && seen->id() != object) co_return fail(ESTALE, "statx", name);
  co_return seen;
}

/// An operation that is recorded, or about to be, may tell where the object is now.
bool TimeSetter::source_is_ahead(const ObjectId& object) {
  const auto patient_since = state::PendingTimes::Clock::now() - kPatience;
  const state::PendingTimes::Pending* pending = state_.times.find(object);
  if (pending == nullptr || pending->first < patient_since) return false;
  const stream::Look now = state_.intake.look();
  return now.under_way || state_.finished.closed_through() < now.recorded;
}

ring::Task<Result<void>> TimeSetter::set_held(ObjectId object, std::optional<Location> where) {
  const auto take = [this, &object, &where](int fd) -> Result<void> {
    const state::PendingTimes::Pending* pending = state_.times.find(object);
    if (pending == nullptr) return {};
    // Of an object with one name that is marked or gone, see without_a_name().
    const bool nobodys = !pending->after.times_known;
    const std::optional<Location> name = where ? where : state_.links.any(object);
    Result<void> set =
        nobodys ? Result<void>{} : state_.writer.set_times(fd, pending->after, state_.rights);
    if (!set && name && is_refused(object, *name, set.error())) set = {};
    if (set) state_.times.drop(object);
    return set;
  };
  if (where) {
    const Result<void> known = co_await look(object, where);
    if (!known) co_return known;
  } else if (state_.directories.unsettled() > 0) {
    // A walk claims directories, not what is in them: it may have set newer ones already.
    co_return Result<void>{};
  }
  if (const state::FileHandle open = state_.files.find(object, where)) co_return take(open->get());
  if (!where) co_return Result<void>{};
  const auto parent = co_await state_.directories.open_replica(where->parent);
  if (!parent) co_return std::unexpected(parent.error());
  const auto opened =
      co_await objects::open_path_at(state_.ring, (*parent)->get(), where->name.c_str());
  if (!opened) co_return std::unexpected(opened.error());
  // What is left alone may have the name where types decide what is excluded.
  struct stat status{};
  const bool right = !state_.directories.judges_types() ||
                     (::fstat(opened->get(), &status) == 0 && !S_ISDIR(status.st_mode));
  if (!right) co_return fail(ESTALE, "open", where->name);
  co_return take(opened->get());
}

}  // namespace mirrorfs::live
