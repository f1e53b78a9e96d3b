#include "engine/journal/pairing.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>
#include <tuple>

#include "engine/journal/inner_mounts.h"
#include "engine/journal/known_pairs.h"
#include "engine/journal/promotion.h"
#include "mirrorfs/error.h"
#include "mirrorfs/log.h"
#include "mirrorfs/mirror.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::journal {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

std::unexpected<std::string> refuse(std::string line) { return std::unexpected(std::move(line)); }

std::string reason() { return std::strerror(errno); }

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

StartUp<bool> is_empty_directory(int parent, const char* name) {
  const int fd = ::openat(parent, name, kDirectoryFlags | O_NOFOLLOW);
  if (fd < 0) return false;
  const Directory listing(::fdopendir(fd), ::closedir);
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view found = entry->d_name;
    if (found != "." && found != "..") return false;
  }
  return true;
}

timespec now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

StartUp<bool> is_empty_tree(const TreeRoot& tree, const char* role) {
  const int fd = ::openat(tree.fd.get(), ".", kDirectoryFlags);
  const Directory listing(fd < 0 ? nullptr : ::fdopendir(fd), ::closedir);
  if (!listing) {
    return refuse(fmt::format("cannot list {} {}: {}", role, tree.path.string(), reason()));
  }
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || name == kReservedName) continue;
    if (name != "lost+found") return false;
    const auto empty = is_empty_directory(tree.fd.get(), "lost+found");
    if (!empty || !*empty) return false;
  }
  return true;
}

/// All but whether it is empty.
StartUp<TreeFacts> facts_of(const TreeRoot& tree, const char* role) {
  auto record = read_pair_record(tree.fd.get());
  if (!record) {
    return refuse(fmt::format("{} {}: {}", role, tree.path.string(), record.error()));
  }
  return TreeFacts{.identity = identity_of(tree),
                   .record = std::move(*record),
                   .ctime = tree.metadata.ctime,
                   .empty = false};
}

StartUp<UniqueFd> in_use(const TreeRoot& tree, const char* role) {
  return refuse(fmt::format("{} {} is in use by another mirrorfs: stop that one first", role,
                            tree.path.string()));
}

StartUp<UniqueFd> open_reserved(const TreeRoot& tree) {
  UniqueFd reserved(::openat(tree.fd.get(), kReservedName, kDirectoryFlags | O_NOFOLLOW));
  if (reserved) return reserved;
  return refuse(fmt::format("cannot open {}/{}: {}", tree.path.string(), kReservedName, reason()));
}

/// By the directory itself, so that a tree without a reserved directory is locked too and nothing
/// is written to a source. Network filesystems refuse it; there the lock file has to do.
StartUp<UniqueFd> lock_root(const TreeRoot& tree, const char* role) {
  UniqueFd root(::openat(tree.fd.get(), ".", kDirectoryFlags));
  if (!root || ::flock(root.get(), LOCK_EX | LOCK_NB) == 0) return root;
  if (errno == EWOULDBLOCK) return in_use(tree, role);
  log_debug("{} {} cannot be locked by its root: {}", role, tree.path.string(), reason());
  return root;
}

bool same_record(const std::optional<PairRecord>& a, const std::optional<PairRecord>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || to_text(*a) == to_text(*b);
}

/// Those that are mounted now, and those that were and whose copies are still there.
StartUp<std::vector<std::string>> mounts_to_mind(const std::vector<InnerMount>& mounts,
                                                 const TreeRoot& source, const TreeRoot& replica,
                                                 const PairRecord& record) {
  std::vector<std::string> paths;
  if (!record.one_file_system) {
    if (auto once = refuse_met_twice(mounts, source); !once) return refuse(once.error());
  }
  for (const InnerMount& mount : mounts) {
    if (!mount.path.empty()) paths.push_back(mount.path);
  }
  for (const std::string& path : record.inner_mounts) {
    const UniqueFd copy(calls::open_beneath(replica.fd.get(), path.c_str(), O_PATH));
    if (copy && std::ranges::find(paths, path) == paths.end()) paths.push_back(path);
  }
  return paths;
}

/// What the patterns were is remembered until the trees are compared under the new ones.
void note_exclusion(PairRecord& record, const std::vector<std::string>& exclude) {
  if (record.exclude == exclude) return;
  record.exclude_before.push_back(std::exchange(record.exclude, exclude));
}

/// Between the decision and the locks somebody else may have worked with the replica.
StartUp<void> check_still(const TreeRoot& replica, const Ruling& ruling) {
  const auto now_there = read_pair_record(replica.fd.get());
  if (now_there && same_record(*now_there, ruling.found)) return {};
  return refuse(
      fmt::format("replica {}: another mirrorfs has just changed its pairing record: try "
                  "again",
                  replica.path.string()));
}

}  // namespace

StartUp<UniqueFd> lock_tree(int reserved_directory, const TreeRoot& tree, const char* role) {
  UniqueFd lock(
      ::openat(reserved_directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) {
    return refuse(
        fmt::format("cannot open the lock of {} {}: {}", role, tree.path.string(), reason()));
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return in_use(tree, role);
  return refuse(fmt::format("cannot lock {} {}: {}", role, tree.path.string(), reason()));
}

StartUp<bool> is_empty_replica(const TreeRoot& replica) {
  return is_empty_tree(replica, "replica");
}

StartUp<Ruling> Pairing::decide(const TreeRoot& source, const TreeRoot& replica,
                                const Request& request) {
  auto of_source = facts_of(source, "source");
  if (!of_source) return refuse(of_source.error());
  auto of_replica = facts_of(replica, "replica");
  if (!of_replica) return refuse(of_replica.error());
  Roles roles{.source = std::move(*of_source),
              .replica = std::move(*of_replica),
              .known_here = {},
              .adopt = request.adopt,
              .mounts = request.mounts,
              .now = now()};
  // The last that goes by a path: from here on directories are listed.
  const std::vector<InnerMount> mounted = inner_mounts(source);
  if (request.state_directory >= 0) {
    roles.known_here = known_replica_at(request.state_directory, roles.replica.identity.path);
  }
  for (const auto& [facts, tree, role] : {std::tuple(&roles.source, &source, "source"),
                                          std::tuple(&roles.replica, &replica, "replica")}) {
    const auto empty = is_empty_tree(*tree, role);
    if (!empty) return refuse(empty.error());
    facts->empty = *empty;
  }
  auto ruling = rule(roles);
  if (!ruling) return ruling;
  ruling->same_replica =
      roles.replica.record && roles.replica.record->own.same_tree(roles.replica.identity);
  ruling->record.one_file_system = request.one_file_system.value_or(ruling->record.one_file_system);
  const bool known =
      ruling->kind == Ruling::Kind::kKnownPair || ruling->kind == Ruling::Kind::kTurned;
  if (request.exclude && known) note_exclusion(ruling->record, *request.exclude);
  if (request.exclude && !known) ruling->record.exclude = *request.exclude;
  auto mounts = mounts_to_mind(mounted, source, replica, ruling->record);
  if (!mounts) return refuse(mounts.error());
  ruling->record.inner_mounts = std::move(*mounts);
  ruling->found = std::move(roles.replica.record);
  ruling->record.own = std::move(roles.replica.identity);
  ruling->record.peer = std::move(roles.source.identity);
  return ruling;
}

/// Of a source that is, or was, somebody's replica the lock file too.
StartUp<void> Pairing::lock_source(const TreeRoot& source) {
  auto root = lock_root(source, "source");
  if (!root) return refuse(root.error());
  locks_.push_back(std::move(*root));
  source_reserved_ =
      UniqueFd(::openat(source.fd.get(), kReservedName, kDirectoryFlags | O_NOFOLLOW));
  if (!source_reserved_ || ::faccessat(source_reserved_.get(), "lock", F_OK, 0) != 0) return {};
  auto lock = lock_tree(source_reserved_.get(), source, "source");
  if (!lock) return refuse(lock.error());
  locks_.push_back(std::move(*lock));
  return {};
}

/// The reserved directory is made only by whoever holds the root.
StartUp<void> Pairing::lock_replica(const TreeRoot& replica) {
  auto root = lock_root(replica, "replica");
  if (!root) return refuse(root.error());
  locks_.push_back(std::move(*root));
  made_reserved_ = ::mkdirat(replica.fd.get(), kReservedName, 0700) == 0;
  if (!made_reserved_ && errno != EEXIST) {
    return refuse(fmt::format("cannot write to replica {}: {}", replica.path.string(), reason()));
  }
  auto reserved = open_reserved(replica);
  if (!reserved) return refuse(reserved.error());
  reserved_ = std::move(*reserved);
  auto lock = lock_tree(reserved_.get(), replica, "replica");
  if (!lock) return refuse(lock.error());
  locks_.push_back(std::move(*lock));
  return {};
}

/// Who refuses leaves the replica as it was.
StartUp<void> Pairing::examine(const TreeRoot& replica, const Request& request, Ruling& ruling) {
  if (!request.examine) return {};
  auto examined = request.examine(reserved_.get(), ruling);
  if (!examined && made_reserved_) {
    // What is removed while it is open stays, on FUSE, under another name. The root stays locked.
    locks_.pop_back();
    ::unlinkat(reserved_.get(), "lock", 0);
    ::unlinkat(replica.fd.get(), kReservedName, AT_REMOVEDIR);
  }
  return examined;
}

StartUp<Pairing> Pairing::take(const TreeRoot& source, const TreeRoot& replica,
                               const Request& request, Ruling ruling) {
  Pairing pairing;
  if (request.mounts) {
    if (auto locked = pairing.lock_source(source); !locked) return refuse(locked.error());
  }
  if (auto locked = pairing.lock_replica(replica); !locked) return refuse(locked.error());
  if (auto still = check_still(replica, ruling); !still) return refuse(still.error());
  if (auto fit = pairing.examine(replica, request, ruling); !fit) return refuse(fit.error());
  if (request.mounts && ruling.promotes_source) {
    const auto promoted =
        promote_tree(source, pairing.source_reserved_.get(), request.state_directory);
    if (!promoted) return refuse(promoted.error());
    log_warn("'{}' was the replica of '{}' and is a source from now on (generation {})",
             source.path.string(), promoted->peer.path, promoted->generation);
  }
  if (request.mounts && pairing.source_reserved_) {
    auto noted = note_use(source, pairing.source_reserved_.get(), request.state_directory);
    if (!noted) return refuse(noted.error());
  }
  pairing.was_paired_ =
      ruling.kind == Ruling::Kind::kKnownPair || ruling.kind == Ruling::Kind::kTurned;
  pairing.same_replica_ = ruling.same_replica && ruling.kind == Ruling::Kind::kKnownPair;
  pairing.kind_ = ruling.kind;
  pairing.mounts_ = request.mounts;
  pairing.asked_to_adopt_ = request.adopt;
  pairing.fidelity_changed_ = ruling.found && ruling.found->fidelity() != ruling.record.fidelity();
  pairing.record_ = std::move(ruling.record);
  if (ruling.kind == Ruling::Kind::kKnownPair) {
    if (auto noted = pairing.record_exclusion(ruling.found); !noted) {
      return refuse(fmt::format("replica {}: {}", replica.path.string(), noted.error()));
    }
    return pairing;
  }
  if (auto begun = pairing.write_first_record(); !begun) {
    return refuse(fmt::format("replica {}: {}", replica.path.string(), begun.error()));
  }
  return pairing;
}

std::optional<std::string> Pairing::needless_adopt() const {
  if (!asked_to_adopt_ || !mounts_ || !was_paired_) return std::nullopt;
  return fmt::format(
      "--adopt has no effect: '{}' is the replica of '{}' already (since {}); leave it out",
      record_.own.path, record_.peer.path, in_words(record_.role_since));
}

/// Before the first session under these patterns: what it does not follow would be told by nothing
/// else.
StartUp<void> Pairing::record_exclusion(std::optional<PairRecord> found) {
  const bool same =
      found && found->exclude == record_.exclude && found->exclude_before == record_.exclude_before;
  if (same || !found) return {};
  found->exclude = record_.exclude;
  found->exclude_before = record_.exclude_before;
  return write_pair_record(reserved_.get(), *found);
}

/// As long as no session has written another, whatever is in the replica counts as older.
StartUp<void> Pairing::write_first_record() {
  PairRecord first = record_;
  if (!was_paired_) {
    const auto time = clock_of(reserved_.get());
    if (!time) return refuse(time.error().message());
    first.session = {.nonce = random_id(), .time = *time, .host = host_name()};
    record_ = first;
  }
  return write_pair_record(reserved_.get(), first);
}

StartUp<Pairing> Pairing::acquire(const TreeRoot& source, const TreeRoot& replica,
                                  const Request& request) {
  auto ruling = decide(source, replica, request);
  if (!ruling) return refuse(ruling.error());
  return take(source, replica, request, std::move(*ruling));
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "?";
  return name.data();
}

}  // namespace mirrorfs::journal
