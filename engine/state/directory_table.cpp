// Places and descriptors. States: directory_transitions.cpp.
#include "engine/state/directory_table.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

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

/// A FUSE filesystem may give an object another inode number after the kernel has forgotten it.
bool has_stable_identities(int replica_root) {
  struct statfs answer{};
  return ::fstatfs(replica_root, &answer) != 0 || answer.f_type != FUSE_SUPER_MAGIC;
}

}  // namespace

DirectoryTable::DirectoryTable(ring::Ring& ring, ObjectId root, int source_root, int replica_root,
                               std::size_t most_open, const exclude::Exclusion* exclusion)
    : ring_(ring),
      root_(root),
      root_replica_(duplicate(replica_root)),
      root_source_(duplicate(source_root)),
      most_open_(std::max<std::size_t>(most_open, 8)),
      identities_are_stable_(has_stable_identities(replica_root)),
      exclusion_(exclusion) {
  add(root, DirectoryState::kKnown);
  no_move_.set();
}

bool DirectoryTable::contains(const ObjectId& directory) const {
  return entries_.contains(directory);
}

std::optional<DirectoryState> DirectoryTable::state(const ObjectId& directory) const {
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return std::nullopt;
  return found->second.state;
}

std::optional<Location> DirectoryTable::where(const ObjectId& directory) const {
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return std::nullopt;
  return found->second.where;
}

std::optional<ObjectId> DirectoryTable::at(const Location& place) const {
  const auto found = places_.find(place);
  if (found == places_.end()) return std::nullopt;
  return found->second;
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

void DirectoryTable::forget_source(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found != entries_.end()) found->second.source.reset();
}

void DirectoryTable::forget_replica(const ObjectId& directory) {
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return;
  found->second.replica.reset();
  found->second.version = ++versions_;
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
    // Unplaced; or a cycle, which the table may show while the source is ahead.
    if (!found->second.where || chain.size() > entries_.size()) return {};
    at = found->second.where->parent;
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

/// The replica's directory of that name must be the one that the table means.
Result<void> DirectoryTable::check_replica(const ObjectId& directory, const ObjectId& replica,
                                           const std::string& name) {
  if (!identities_are_stable_) return {};
  const auto found = entries_.find(directory);
  if (found == entries_.end()) return fail(ENOENT, "directory is not known", name);
  const bool expected = found->second.replica_id ? found->second.replica_id == replica
                                                 : owners_.standing(replica, directory) !=
                                                       ReplicaOwners::Standing::kOthers;
  if (!expected) return fail(ENOENT, "another directory stands there", name);
  if (!found->second.replica_id) see_replica(found->second, replica);
  return {};
}

ring::Task<Result<DirectoryTable::Opened>> DirectoryTable::open_step(int parent, std::string name) {
  auto opened = co_await objects::open_dir_at(ring_, parent, name.c_str());
  if (!opened) co_return pass_on(std::move(opened));
  const auto metadata = co_await ring_.statx(opened->get(), "", AT_EMPTY_PATH);
  if (!metadata) co_return std::unexpected(metadata.error());
  co_return Opened{std::make_shared<const objects::DirFd>(std::move(*opened)), metadata->id()};
}

/// Null: the table has changed meanwhile.
ring::Task<Result<DirHandle>> DirectoryTable::open_chain(ObjectId directory, Handle side) {
  const std::uint64_t epoch = move_epoch_;
  const std::vector<ObjectId> chain = chain_to_open(directory, side);
  if (chain.empty()) co_return fail(ENOENT, "directory is not known");
  DirHandle parent = side == &Entry::replica ? root_replica_ : root_source_;
  for (const ObjectId& id : chain) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || !found->second.where) {
      co_return DirHandle();
    }
    const Location where = *found->second.where;
    const std::uint64_t version = found->second.version;
    if (where.parent != root_ && &id == &chain.front()) {
      const auto above = entries_.find(where.parent);
      if (above == entries_.end() || !(above->second.*side)) co_return DirHandle();
      parent = above->second.*side;
    }
    auto opened = co_await open_step(parent->get(), where.name);
    const auto again = entries_.find(id);
    const bool moved = again == entries_.end() || again->second.version != version ||
                       (side == &Entry::replica && move_epoch_ != epoch);
    if (moved) co_return DirHandle();
    if (!opened) co_return pass_on(std::move(opened));
    if (side == &Entry::replica) {
      auto checked = check_replica(id, opened->identity, where.name);
      if (!checked) co_return pass_on(std::move(checked));
    } else if (opened->identity != id) {
      co_return fail(ESTALE, "open directory", where.name);
    }
    again->second.*side = opened->handle;
    use(id, again->second);
    parent = std::move(opened->handle);
  }
  co_return parent;
}

/// Descriptors above it lead to what is no longer there: all are opened anew, by name.
void DirectoryTable::forget_replicas_above(const ObjectId& directory) {
  ObjectId at = directory;
  for (std::size_t steps = 0; at != root_ && steps <= entries_.size(); ++steps) {
    const auto found = entries_.find(at);
    if (found == entries_.end() || !found->second.where) return;
    at = found->second.where->parent;
    forget_replica(at);
  }
}

ring::Task<Result<DirHandle>> DirectoryTable::open_replica(ObjectId directory) {
  if (directory == root_) co_return root_replica_;
  bool opened_anew = false;
  while (true) {
    const auto found = entries_.find(directory);
    if (found == entries_.end()) co_return fail(ENOENT, "directory is not known");
    if (found->second.replica) {
      use(directory, found->second);
      co_return found->second.replica;
    }
    while (moves_under_way_ > 0) co_await no_move_.wait();
    auto opened = co_await open_chain(directory, &Entry::replica);
    const bool table_changed = opened && *opened == nullptr;
    if (table_changed) {
      co_await ring_.sleep(kTableMoves);
      continue;
    }
    // The server's, or libfuse's, answer below a directory that was removed.
    const bool stale = !opened && opened.error().code == ESTALE;
    if (!stale || std::exchange(opened_anew, true)) co_return opened;
    forget_replicas_above(directory);
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
  if (opened && *opened == nullptr) co_return fail(ESTALE, "directory moved");
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
