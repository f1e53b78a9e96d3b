// Which source objects with several names already stand in the replica, and where.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "engine/objects/dir_fd.h"
#include "engine/ring/sync.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::copy {

/// Opens the replica's side of a directory that is known by its source identity. The live
/// engine has its directory table, the offline walk reopens from the root; so a million links need
/// no descriptors.
class ReplicaDirectories {
 public:
  virtual ~ReplicaDirectories() = default;
  /// ENOENT when the directory is not (any more) known.
  [[nodiscard]] virtual ring::Task<Result<std::shared_ptr<const objects::DirFd>>> open_replica(
      ObjectId source_directory) = 0;
  /// Nothing else changes the replica while the map lives: what was linked is still there.
  [[nodiscard]] virtual bool exclusive() const { return false; }
  /// A link was remembered in this directory: open_replica() will be called for it.
  virtual void keep(ObjectId source_directory) { (void)source_directory; }
};

/// Ring thread. Names of one source object are worked on one after the other: hold its Lease.
class HardlinkMap {
 public:
  struct Place {
    Location where;    ///< source identity of the directory, and the name
    ObjectId replica;  ///< the object there; 0: new, see ReplicaDirectories::exclusive()
  };

  explicit HardlinkMap(ReplicaDirectories& directories) : directories_(&directories) {}

  /// Exclusive use of one source object until destroyed.
  struct Lease {
    std::shared_ptr<ring::Semaphore> turn;  // declared first: outlives the permit
    ring::Permit permit;
  };
  [[nodiscard]] ring::Task<Lease> lease(ObjectId source);

  [[nodiscard]] std::optional<Place> find(ObjectId source) const;
  /// `names_left`: how many further names the source object has (nlink - 1 for the first); the
  /// place is forgotten when all were met. It is checked before use, so a stale one does no harm.
  void remember(ObjectId source, Place place, std::uint32_t names_left);
  /// One further name was linked (or found to be).
  void met(ObjectId source);
  void forget(ObjectId source);
  /// Whether a source object with this inode number is remembered: a hint only.
  [[nodiscard]] bool may_know(std::uint64_t inode) const { return inodes_.contains(inode); }

  /// The replica object is, or is about to be made, the copy of this source object, unless it is
  /// that of another one already. Claim it before anything is awaited that decides from it: the
  /// names that share it are reconciled side by side, and two of them would write to it in turn.
  void claim(ObjectId replica, ObjectId source) { claims_.try_emplace(replica, source); }
  /// It is not after all.
  void give_up(ObjectId replica, ObjectId source);
  /// The source object that claims the replica object; another one must not share it.
  [[nodiscard]] std::optional<ObjectId> claimed_by(ObjectId replica) const;

  [[nodiscard]] ReplicaDirectories& directories() { return *directories_; }

 private:
  struct Group {
    Place place;
    std::uint32_t names_left = 0;
  };
  ReplicaDirectories* directories_;
  using Groups = std::unordered_map<ObjectId, Group>;
  void drop(Groups::const_iterator group);

  Groups groups_;
  std::unordered_multiset<std::uint64_t> inodes_;  ///< of groups_
  std::unordered_map<ObjectId, ObjectId> claims_;  // replica object -> source object
  std::unordered_map<ObjectId, std::weak_ptr<ring::Semaphore>> leases_;
};

}  // namespace mirrorfs::copy
