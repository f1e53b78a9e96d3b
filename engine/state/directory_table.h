// The directories that are known: where each stands on the replica, and how far its copy can be
// trusted.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/copy/hardlinks.h"
#include "engine/exclude/exclusion.h"
#include "engine/objects/dir_fd.h"
#include "engine/ring/sync.h"
#include "engine/ring/task.h"
#include "engine/state/directory_state.h"
#include "engine/state/replica_owners.h"
#include "mirrorfs/error.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::ring {
class Ring;
}

namespace mirrorfs::state {

using DirHandle = std::shared_ptr<const objects::DirFd>;

/// Source identity → the one state, the place and the replica's identity of a directory, with a
/// bounded number of open descriptors on both sides. Names are those of the replica as of the last
/// applied operation. Descriptors stay right across renames of any ancestor, and names are only
/// resolved one step at a time below a descriptor. Ring thread only.
class DirectoryTable final : public copy::ReplicaDirectories {
 public:
  /// The roots stay the caller's and outlive the table, as does `exclusion`. The root is known from
  /// the beginning.
  DirectoryTable(ring::Ring& ring, ObjectId root, int source_root, int replica_root,
                 std::size_t most_open, const exclude::Exclusion* exclusion = nullptr);

  [[nodiscard]] const ObjectId& root() const { return root_; }
  [[nodiscard]] bool contains(const ObjectId& directory) const;
  /// None: absent, see DirectoryState.
  [[nodiscard]] std::optional<DirectoryState> state(const ObjectId& directory) const;
  [[nodiscard]] bool is_known(const ObjectId& directory) const {
    return state(directory) == DirectoryState::kKnown;
  }
  /// A mark on one of its entries stands for something: nothing else covers the entry. (What a walk
  /// under way has passed already it does not look at again.)
  [[nodiscard]] bool takes_marks(const ObjectId& directory) const {
    const auto now = state(directory);
    return now == DirectoryState::kKnown || now == DirectoryState::kWalking;
  }
  [[nodiscard]] std::optional<Location> where(const ObjectId& directory) const;
  /// The directory that stands in this place, if one is known to.
  [[nodiscard]] std::optional<ObjectId> at(const Location& place) const;
  /// It and all above it have a place.
  [[nodiscard]] bool is_reachable(const ObjectId& directory) const;
  /// All that the table has below the directory, whether it has that itself or not.
  [[nodiscard]] std::vector<ObjectId> below(const ObjectId& directory) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// Directories that are unplaced, unwalked or being walked.
  [[nodiscard]] std::size_t unsettled() const { return unsettled_; }
  /// Of those, the ones that are unplaced: they may belong anywhere.
  [[nodiscard]] std::size_t unplaced() const { return unplaced_; }
  [[nodiscard]] ReplicaOwners& owners() { return owners_; }
  [[nodiscard]] const ReplicaOwners& owners() const { return owners_; }

  // What is excluded, as of the table's paths (excluded_entries.cpp). No directory of the table is.

  enum class Placement : std::uint8_t {
    kIncluded,
    kExcluded,
    kAbsent,   ///< in no directory of the table: at or below what is excluded, or not met yet
    kUnknown,  ///< a directory above it has no place now, and the patterns ask for the path
  };
  [[nodiscard]] Placement placement(const Location& where, bool is_directory) const;
  [[nodiscard]] bool excludes(const Location& where, bool is_directory) const {
    return placement(where, is_directory) == Placement::kExcluded;
  }
  /// From the root, whose path is empty; nothing: it has none now.
  [[nodiscard]] std::optional<std::string> full_path(const ObjectId& directory) const;
  /// Whether something is excluded may depend on its type.
  [[nodiscard]] bool judges_types() const {
    return exclusion_ != nullptr && exclusion_->patterns().any_of_types();
  }
  /// What is in the directory may be judged otherwise when it has moved from one place to the
  /// other.
  [[nodiscard]] bool move_matters(const Location& from, const Location& to) const;

  // Transitions (directory_transitions.cpp).

  /// Made on the replica by an operation: empty, and so known.
  void made(const ObjectId& directory, const Location& where);
  /// Whether the replica of the last session is trusted where nothing is known of it: until the
  /// whole tree is walked.
  [[nodiscard]] bool trusting() const { return trusting_; }
  /// Told by the mount, with its copy: known as long as the table is trusting(), else unwalked.
  void trusted(const ObjectId& directory, const Location& where, const ObjectId& replica);
  /// Moved on the replica by an operation. The state stays.
  void moved(const ObjectId& directory, const Location& to);
  void exchanged(const ObjectId& one, const ObjectId& other);
  /// An operation removed its copy, which was empty, so that nothing is under way in it.
  void removed(const ObjectId& directory);
  /// A reading of the source found it there, where the replica has (or now got) a directory for it;
  /// `replica`: its identity, null when it is new. A directory that was elsewhere, or has another
  /// copy than before, becomes unwalked, and its old copy an orphan with all below it.
  struct Met {
    bool must_be_walked = true;
    std::vector<ObjectId> forgotten;  ///< were below the old copy, or may be excluded now
  };
  [[nodiscard]] Met met(const ObjectId& directory, const Location& where, const ObjectId& replica,
                        SequenceNumber recorded);
  /// Nothing is known of its entries any more.
  void mark_unwalked(const ObjectId& directory);
  /// Nothing is known of any directory's entries any more, nor whether it still exists: see
  /// not_met().
  void mark_all_unwalked();
  void begin_walk(const ObjectId& directory);
  /// False: it was marked anew while it was being walked, and has to be walked again.
  [[nodiscard]] bool end_walk(const ObjectId& directory);
  /// Its copy is opened anew, by name, when it is walked again. How often it had failed before, in
  /// a row.
  unsigned fail_walk(const ObjectId& directory);
  /// Its copy cannot be opened: see DirectoryState::kDamaged.
  void mark_damaged(const ObjectId& directory);
  /// Its copy is about to be removed: it has no place from now on, and what the table has below it
  /// is forgotten. Returns those.
  std::vector<ObjectId> give_up_replica(const ObjectId& directory, SequenceNumber recorded);
  /// The source has it no more; operations up to `recorded` may be under way in its copy.
  void erase(const ObjectId& directory, SequenceNumber recorded);

  /// Those that lost their place to another directory since the last call, and have none yet.
  [[nodiscard]] std::vector<ObjectId> take_displaced();
  /// Those that no walk has met since mark_all_unwalked().
  [[nodiscard]] std::vector<ObjectId> not_met() const;
  [[nodiscard]] bool is_met(const ObjectId& directory) const;

  // Descriptors (directory_table.cpp).

  /// The source may have it elsewhere: it is opened anew, by name.
  void forget_source(const ObjectId& directory);
  /// The replica's descriptor may be stale: it is opened anew, by name.
  void forget_replica(const ObjectId& directory);
  /// ENOENT: not in the table, or not there on the replica. ESTALE: another directory stands there.
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
    DirectoryState state = DirectoryState::kUnplaced;
    std::optional<Location> where;  ///< none: unplaced, or the root
    ObjectId replica_id;            ///< of the replica's directory; null: not seen yet
    DirHandle replica, source;
    std::list<ObjectId>::iterator recent;
    bool in_recent = false;
    const ObjectId* id = nullptr;                ///< its key in the table
    Entry *next = nullptr, *previous = nullptr;  ///< with the same parent
    unsigned failed_walks = 0;                   ///< in a row
    std::uint64_t met = 0;      ///< the last walk of the whole tree in which it was placed
    std::uint64_t version = 0;  ///< of its place and its copy: an open that overlaps is stale
  };
  using Handle = DirHandle Entry::*;
  struct Opened {
    DirHandle handle;
    ObjectId identity;
  };

  std::vector<ObjectId> forget_below(const ObjectId& directory, SequenceNumber recorded);
  Entry& add(const ObjectId& directory, DirectoryState state);
  void change(Entry& entry, DirectoryState to);
  void place(Entry& entry, Location where);
  void take_place(Entry& entry, Location where);
  void leave_place(Entry& entry);
  void see_replica(Entry& entry, const ObjectId& replica);
  void drop_replica(Entry& entry, SequenceNumber recorded);
  void drop_descriptors(Entry& entry);

  [[nodiscard]] std::vector<ObjectId> chain_to_open(const ObjectId& directory, Handle side) const;
  [[nodiscard]] ring::Task<Result<DirHandle>> open_chain(ObjectId directory, Handle side);
  void forget_replicas_above(const ObjectId& directory);
  [[nodiscard]] ring::Task<Result<Opened>> open_step(int parent, std::string name);
  [[nodiscard]] Result<void> check_replica(const ObjectId& directory, const ObjectId& replica,
                                           const std::string& name);
  void use(const ObjectId& directory, Entry& entry);
  void close_oldest();

  ring::Ring& ring_;
  ObjectId root_;
  DirHandle root_replica_, root_source_;
  std::size_t most_open_;
  bool identities_are_stable_;
  std::unordered_map<ObjectId, Entry> entries_;
  std::unordered_map<Location, ObjectId> places_;
  std::unordered_map<ObjectId, Entry*> first_child_;
  ReplicaOwners owners_;
  const exclude::Exclusion* const exclusion_;
  std::size_t unsettled_ = 0, unplaced_ = 0;
  bool trusting_ = true;
  std::vector<ObjectId> displaced_;
  std::list<ObjectId> recent_;  ///< directories with open descriptors, the last used first
  unsigned moves_under_way_ = 0;
  std::uint64_t move_epoch_ = 0;
  std::uint64_t walk_ = 0;
  std::uint64_t versions_ = 0;
  ring::Event no_move_;
};

}  // namespace mirrorfs::state
