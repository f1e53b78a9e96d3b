#include "engine/state/directory_table.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "engine/ring/ring.h"

namespace mirrorfs::state {
namespace {

constexpr auto kTableMoves = std::chrono::microseconds(200);

DirHandle duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  return std::make_shared<const objects::DirFd>(std::move(copy));
}

}  // namespace

DirectoryTable::DirectoryTable(ring::Ring& ring, ObjectId root, int source_root, int replica_root,
                               std::size_t most_open)
    : ring_(ring),
      root_(root),
      root_replica_(duplicate(replica_root)),
      root_source_(duplicate(source_root)),
      most_open_(std::max<std::size_t>(most_open, 8)) {
  no_move_.set();
}

bool DirectoryTable::contains(const ObjectId& directory) const {
  return directory == root_ || entries_.contains(directory);
}

std::optional<Location> DirectoryTable::where(const ObjectId& directory) const {
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return std::nullopt;
  return found->second.where;
}

bool DirectoryTable::is_reachable(const ObjectId& directory) const {
  ObjectId at = directory;
  for (std::size_t steps = 0; at != root_; ++steps) {
    const auto found = entries_.find(at);
    // More steps than directories: a cycle, which the table may show while the source is ahead.
    if (found == entries_.end() || !found->second.where || steps > entries_.size()) return false;
    at = found->second.where->parent;
  }
  return true;
}

void DirectoryTable::take_place(Entry& entry, Location where) {
  Entry*& first = first_child_[where.parent];
  entry.next = first;
  entry.previous = nullptr;
  if (first != nullptr) first->previous = &entry;
  first = &entry;
  entry.where = std::move(where);
}

void DirectoryTable::leave_place(Entry& entry) {
  if (!entry.where) return;
  const auto place = places_.find(*entry.where);
  if (place != places_.end() && place->second == *entry.id) places_.erase(place);
  if (entry.next != nullptr) entry.next->previous = entry.previous;
  if (entry.previous != nullptr) {
    entry.previous->next = entry.next;
  } else if (entry.next != nullptr) {
    first_child_[entry.where->parent] = entry.next;
  } else {
    first_child_.erase(entry.where->parent);
  }
  entry.where.reset();
}

void DirectoryTable::put(const ObjectId& directory, Location where) {
  if (directory == root_) return;
  const auto [found, fresh] = entries_.try_emplace(directory);
  Entry& entry = found->second;
  if (fresh) entry.id = &found->first;
  leave_place(entry);
  if (const auto stands_there = at(where)) {
    Entry& other = entries_.at(*stands_there);
    leave_place(other);
    other.replica.reset();
    other.version = ++versions_;
    displaced_.push_back(*stands_there);
  }
  places_.emplace(where, directory);
  take_place(entry, std::move(where));
  entry.met = walk_;
  entry.version = ++versions_;
}

bool DirectoryTable::is_met(const ObjectId& directory) const {
  const auto found = entries_.find(directory);
  return found != entries_.end() && found->second.met == walk_;
}

std::vector<ObjectId> DirectoryTable::not_met() const {
  std::vector<ObjectId> result;
  for (const auto& [directory, entry] : entries_) {
    if (entry.met != walk_) result.push_back(directory);
  }
  return result;
}

std::optional<ObjectId> DirectoryTable::at(const Location& place) const {
  const auto found = places_.find(place);
  if (found == places_.end()) return std::nullopt;
  return found->second;
}

std::vector<ObjectId> DirectoryTable::take_displaced() {
  std::vector<ObjectId> result;
  for (const ObjectId& directory : std::exchange(displaced_, {})) {
    const auto found = entries_.find(directory);
    if (found != entries_.end() && !found->second.where) result.push_back(directory);
  }
  return result;
}

void DirectoryTable::replaced_on_replica(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return;
  found->second.replica.reset();
  found->second.version = ++versions_;
}

void DirectoryTable::forget_source(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found != entries_.end()) found->second.source.reset();
}

void DirectoryTable::erase(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return;
  if (found->second.in_recent) recent_.erase(found->second.recent);
  leave_place(found->second);
  entries_.erase(found);
}

std::vector<ObjectId> DirectoryTable::below(const ObjectId& directory) const {
  std::vector<ObjectId> below;
  ObjectId parent = directory;
  for (std::size_t met = 0;; parent = below[met++]) {
    const auto first = first_child_.find(parent);
    const Entry* child = first == first_child_.end() ? nullptr : first->second;
    for (; child != nullptr; child = child->next) {
      // A cycle, which the table may show while the source is ahead, leads back to where it began.
      if (*child->id != directory) below.push_back(*child->id);
    }
    if (met == below.size()) return below;
  }
}

DirHandle DirectoryTable::cached_replica(const ObjectId& directory) const {
  if (directory == root_) return root_replica_;
  const auto found = entries_.find(directory);
  return found == entries_.end() ? nullptr : found->second.replica;
}

void DirectoryTable::use(const ObjectId& directory, Entry& entry) {
  if (entry.in_recent) {
    recent_.splice(recent_.begin(), recent_, entry.recent);
    return;
  }
  recent_.push_front(directory);
  entry.recent = recent_.begin();
  entry.in_recent = true;
  if (recent_.size() > most_open_) close_oldest();
}

void DirectoryTable::close_oldest() {
  Entry& oldest = entries_.at(recent_.back());
  oldest.replica.reset();
  oldest.source.reset();
  oldest.in_recent = false;
  recent_.pop_back();
}

/// From the nearest open ancestor (not included) down to `directory`; empty: the chain is broken.
std::vector<ObjectId> DirectoryTable::chain_to_open(const ObjectId& directory, Handle side) const {
  std::vector<ObjectId> chain;
  ObjectId at = directory;
  while (at != root_) {
    const auto found = entries_.find(at);
    if (found == entries_.end()) return {};
    if (found->second.*side && !chain.empty()) break;
    chain.push_back(at);
    // Displaced; or a cycle, which the table may show while the source is ahead.
    if (!found->second.where || chain.size() > entries_.size()) return {};
    at = found->second.where->parent;
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

ring::Task<Result<DirHandle>> DirectoryTable::open_step(int parent, std::string name,
                                                        ObjectId expected, Handle side) {
  auto opened = co_await objects::open_dir_at(ring_, parent, name.c_str());
  if (!opened) co_return pass_on(std::move(opened));
  if (side == &Entry::source) {
    const auto metadata = co_await ring_.statx(opened->get(), "", AT_EMPTY_PATH);
    if (!metadata) co_return std::unexpected(metadata.error());
    if (metadata->id() != expected) co_return fail(ESTALE, "open directory", name);
  }
  co_return std::make_shared<const objects::DirFd>(std::move(*opened));
}

ring::Task<Result<DirHandle>> DirectoryTable::open_chain(ObjectId directory, Handle side) {
  const std::vector<ObjectId> chain = chain_to_open(directory, side);
  if (chain.empty()) co_return fail(ENOENT, "directory is not known");
  DirHandle parent = side == &Entry::replica ? root_replica_ : root_source_;
  for (const ObjectId& id : chain) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || !found->second.where) {
      co_return fail(ESTALE, "directory is gone");
    }
    const Location where = *found->second.where;
    const std::uint64_t version = found->second.version;
    if (where.parent != root_ && &id == &chain.front()) {
      const auto above = entries_.find(where.parent);
      if (above == entries_.end() || !(above->second.*side)) {
        co_return fail(ESTALE, "directory moved", where.name);
      }
      parent = above->second.*side;
    }
    auto opened = co_await open_step(parent->get(), where.name, id, side);
    if (!opened) co_return opened;
    const auto again = entries_.find(id);
    if (again == entries_.end() || again->second.version != version) {
      co_return fail(ESTALE, "directory moved", where.name);
    }
    again->second.*side = *opened;
    use(id, again->second);
    parent = std::move(*opened);
  }
  co_return parent;
}

ring::Task<Result<DirHandle>> DirectoryTable::open_replica(ObjectId directory) {
  if (directory == root_) co_return root_replica_;
  while (true) {
    const auto found = entries_.find(directory);
    if (found == entries_.end()) co_return fail(ENOENT, "directory is not known");
    if (found->second.replica) {
      use(directory, found->second);
      co_return found->second.replica;
    }
    while (moves_under_way_ > 0) co_await no_move_.wait();
    const std::uint64_t epoch = move_epoch_;
    auto opened = co_await open_chain(directory, &Entry::replica);
    if (!opened && opened.error().code == ESTALE) {  // the table changed meanwhile
      co_await ring_.sleep(kTableMoves);
      continue;
    }
    if (move_epoch_ == epoch) co_return opened;
    // A directory moved meanwhile: a step may have gone through another one of the same name, and
    // what was cached on the way may be wrong too.
    for (const ObjectId& id : std::vector<ObjectId>(recent_.begin(), recent_.end())) {
      entries_.at(id).replica.reset();
    }
  }
}

ring::Task<Result<DirHandle>> DirectoryTable::open_source(ObjectId directory) {
  if (directory == root_) co_return root_source_;
  const auto found = entries_.find(directory);
  if (found == entries_.end()) co_return fail(ENOENT, "directory is not known");
  if (found->second.source) {
    use(directory, found->second);
    co_return found->second.source;
  }
  auto opened = co_await open_chain(directory, &Entry::source);
  co_return opened;
}

std::string DirectoryTable::path_of(const Location& entry) const {
  std::string path = entry.name;
  ObjectId at = entry.parent;
  for (std::size_t steps = 0; at != root_; ++steps) {
    const auto found = entries_.find(at);
    const bool broken = found == entries_.end() || !found->second.where;
    if (broken || steps > entries_.size()) return "…/" + entry.name;
    path.insert(0, found->second.where->name + "/");
    at = found->second.where->parent;
  }
  return path;
}

}  // namespace mirrorfs::state
