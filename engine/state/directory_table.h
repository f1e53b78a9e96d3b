// Where each directory stands, as of the last applied operation.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/copy/hardlinks.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/sync.h"
#include "engine/ring/task.h"
#include "mirrorfs/error.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::state {

using DirHandle = std::shared_ptr<const objects::DirFd>;

/// Source identity → parent and name, with a bounded number of open descriptors on both sides.
/// Descriptors stay right across renames of any ancestor, and names are only resolved one step at a
/// time below a descriptor. Ring thread only.
class DirectoryTable final : public copy::ReplicaDirectories {
 public:
  /// The roots stay the caller's and outlive the table.
  DirectoryTable(ring::Ring& ring, ObjectId root, int source_root, int replica_root,
                 std::size_t most_open);

  [[nodiscard]] const ObjectId& root() const { return root_; }
  [[nodiscard]] bool contains(const ObjectId& directory) const;
  [[nodiscard]] std::optional<Location> where(const ObjectId& directory) const;
  /// It and all above it have a place.
  [[nodiscard]] bool is_reachable(const ObjectId& directory) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  /// Puts a directory in its place. A moved one keeps its descriptors. Another one that the table
  /// had in that place has none from now on, until it is put somewhere: see take_displaced().
  void put(const ObjectId& directory, Location where);
  /// The directory that stands in this place, if one is known to.
  [[nodiscard]] std::optional<ObjectId> at(const Location& place) const;
  /// Those without a place since the last call.
  [[nodiscard]] std::vector<ObjectId> take_displaced();
  /// The replica's directory is another object than before: its descriptor is dropped.
  void replaced_on_replica(const ObjectId& directory);
  /// The source may have it elsewhere: it is opened anew, by name.
  void forget_source(const ObjectId& directory);
  void erase(const ObjectId& directory);
  /// All that the table has below the directory, whether it has that itself or not.
  [[nodiscard]] std::vector<ObjectId> below(const ObjectId& directory) const;

  /// A walk of the whole tree begins: those that are not put anywhere from now on are not met.
  void begin_walk() { ++walk_; }
  [[nodiscard]] bool is_met(const ObjectId& directory) const;
  [[nodiscard]] std::vector<ObjectId> not_met() const;

  /// ENOENT: not in the table, or not there on the replica.
  [[nodiscard]] ring::Task<Result<DirHandle>> open_replica(ObjectId directory) override;

  /// ESTALE or ENOENT: the source is already ahead (a rename is still to be applied).
  [[nodiscard]] ring::Task<Result<DirHandle>> open_source(ObjectId directory);

  /// The descriptor, if it is open.
  [[nodiscard]] DirHandle cached_replica(const ObjectId& directory) const;

  /// A directory is being moved on the replica while this lives: lookups that overlap start again.
  class Move {
   public:
    explicit Move(DirectoryTable& table) : table_(table) {
      ++table_.moves_under_way_;
      ++table_.move_epoch_;
      table_.no_move_.reset();
    }
    Move(const Move&) = delete;
    Move& operator=(const Move&) = delete;
    ~Move() {
      if (--table_.moves_under_way_ == 0) table_.no_move_.set();
    }

   private:
    DirectoryTable& table_;
  };

  /// "a/b" for people to read; empty for the root, "…/name" when the chain is broken.
  [[nodiscard]] std::string path_of(const Location& entry) const;

 private:
  struct Entry {
    std::optional<Location> where;  ///< none: displaced
    DirHandle replica, source;
    std::list<ObjectId>::iterator recent;
    bool in_recent = false;
    const ObjectId* id = nullptr;                ///< its key in the table
    Entry *next = nullptr, *previous = nullptr;  ///< with the same parent
    std::uint64_t met = 0;      ///< the last walk of the whole tree in which it was put somewhere
    std::uint64_t version = 0;  ///< of what stands on the replica, never the same: an open that
                                ///< overlaps is stale
  };
  using Handle = DirHandle Entry::*;

  [[nodiscard]] std::vector<ObjectId> chain_to_open(const ObjectId& directory, Handle side) const;
  [[nodiscard]] ring::Task<Result<DirHandle>> open_chain(ObjectId directory, Handle side);
  [[nodiscard]] ring::Task<Result<DirHandle>> open_step(int parent, std::string name,
                                                        ObjectId expected, Handle side);
  void take_place(Entry& entry, Location where);
  void leave_place(Entry& entry);
  void use(const ObjectId& directory, Entry& entry);
  void close_oldest();

  ring::Ring& ring_;
  ObjectId root_;
  DirHandle root_replica_, root_source_;
  std::size_t most_open_;
  std::unordered_map<ObjectId, Entry> entries_;
  std::unordered_map<Location, ObjectId> places_;
  std::unordered_map<ObjectId, Entry*> first_child_;
  std::vector<ObjectId> displaced_;
  std::list<ObjectId> recent_;  ///< directories with open descriptors, the last used first
  unsigned moves_under_way_ = 0;
  std::uint64_t move_epoch_ = 0;
  std::uint64_t walk_ = 0;
  std::uint64_t versions_ = 0;
  ring::Event no_move_;
};

}  // namespace mirrorfs::state
