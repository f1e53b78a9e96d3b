// The journal of marks: what may differ after the daemon was killed, written before it may.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/journal/mark_file.h"
#include "mirrorfs/error.h"
#include "mirrorfs/footprint.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::journal {

/// begin() puts the footprint of a change into the file before the source changes; an entry that is
/// in it already costs a look-up, and so does one in a directory that was made since the last
/// clear_through(): the mark on that directory's own entry covers all below. The file is in the
/// page cache, which outlives the process; with JournalOwner::durable it is synced, once for all
/// who wait, before begin() returns. clear_through() replaces it by one without the marks that are
/// not needed any more. Where directories stand is followed through operations, in the order of the
/// source, so that a mark names its directory by identity and a rename above it changes nothing.
///
/// A file that cannot be written is removed: the next start, finding none, compares everything.
/// When it cannot be removed either, somebody else has to see to it that it is not believed.
/// Members are safe from any thread.
class MarkJournal {
 public:
  static constexpr std::size_t kMostMarks = 1U << 16;

  /// Replaces what there was by a journal that holds `kept`.
  [[nodiscard]] static Result<std::shared_ptr<MarkJournal>> create(
      int state_directory, JournalOwner owner, const JournalContent& kept,
      std::size_t most_marks = kMostMarks);
  [[nodiscard]] static Result<std::optional<JournalContent>> read(int state_directory,
                                                                  const std::string& pair_id);
  [[nodiscard]] static Result<void> remove(int state_directory, const std::string& pair_id);

  MarkJournal(const MarkJournal&) = delete;
  MarkJournal& operator=(const MarkJournal&) = delete;
  ~MarkJournal();

 private:
  struct Entry {
    ObjectId object;
    bool names = false;     ///< as recorded
    bool recorded = false;  ///< the file has it
    std::uint32_t under_way = 0;
    SequenceNumber last;         ///< of an operation on it, or later
    std::uint64_t noted = 0;     ///< the round in which it was noted last
    std::uint64_t position = 0;  ///< how many records there were with the last of it
    bool pinned = false;         ///< see moved_
  };

 public:
  /// Of an object with several names so many are marked beside that of a change, at most.
  static constexpr std::size_t kMostOtherNames = 4;

  /// The marks of one change that is under way.
  class Held {
   public:
    Held() = default;
    Held(Held&& other) noexcept
        : journal_(std::exchange(other.journal_, nullptr)),
          entries_(other.entries_),
          count_(std::exchange(other.count_, 0)),
          covers_(other.covers_) {}
    Held& operator=(Held&&) = delete;
    ~Held() { end({}); }
    /// The change is over; the operations that it came to have numbers up to `last`.
    void end(SequenceNumber last) noexcept;

   private:
    friend class MarkJournal;
    MarkJournal* journal_ = nullptr;
    // The entries, the object as a linked one, its other names.
    std::array<Entry*, Footprint::kMostEntries + 1 + kMostOtherNames> entries_{};
    std::size_t count_ = 0;
    std::uint64_t covers_ = 0;  ///< the epoch of a cover that it counts on; 0: none
  };

  /// The source may change once this has returned. bad_alloc: it must not.
  [[nodiscard]] Held begin(const Footprint& footprint);
  /// A mark that stays for as long as this is held, which may be long: on the object with this
  /// entry (of the root, an empty name in itself), or, with a null object, on whatever has the
  /// name.
  [[nodiscard]] Held keep(const Location& entry, const ObjectId& object);
  /// Marks what begin() is likely to be asked for, so that it will not have to wait for the disk.
  /// False: there is nothing to wait for, and `then` is not called; else it is, from another
  /// thread.
  using Announced = std::move_only_function<void()>;
  [[nodiscard]] bool announce(const Footprint& footprint, Announced then);
  /// Where directories stand now. Under the locks under which the source changed.
  void follow(const Operation& operation);
  /// A change of that footprint was made or not, nobody knows: so where its directories stand is
  /// not known either, until an operation tells. `last`: of operations recorded so far.
  void lose_places(const Footprint& footprint, SequenceNumber last) noexcept;
  /// Nothing is known any more of what differs; `last`: of operations recorded so far.
  void mark_everything(SequenceNumber last);
  /// Marks what is going to be changed on the replica though no operation asks for it.
  void note(const Location& entry);
  /// Of a durable journal: not all that is marked is on the disk. Whoever is about to change the
  /// replica for a mark calls wait_until_durable().
  [[nodiscard]] bool lags() const;
  void wait_until_durable();

  /// A sync of the replica is about to begin.
  [[nodiscard]] std::uint64_t begin_round();
  /// Whatever operations up to `through` did is on the replica's disk; nothing was noted before
  /// that round which is not. Waits for the file.
  void clear_through(SequenceNumber through, std::uint64_t round = kAnyRound);
  static constexpr std::uint64_t kAnyRound = UINT64_MAX;  ///< nothing was noted at all

  /// From now on the file is not replaced or removed: it may be the next session's. For a session
  /// that leaves threads behind; before it gives up the pair. Waits for a replacement that is under
  /// way, not for long.
  void retire();

  /// Called when the file lacks a mark and could not be removed, under locks of the journal. Set
  /// before the first begin().
  void when_outdated(std::function<void()> call) { when_outdated_ = std::move(call); }

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool is_durable() const { return owner_.durable; }

 private:
  struct Directory {
    Location where;                           ///< parent null: it was removed
    std::uint64_t in_file = 0, in_other = 0;  ///< generations of files that have its place
    [[nodiscard]] bool is_in(std::uint64_t generation) const {
      return in_file == generation || in_other == generation;
    }
    void put_into(std::uint64_t generation) {
      (in_file < in_other ? in_file : in_other) = generation;
    }
    Entry* cover = nullptr;         ///< a mark that covers all below the directory
    std::uint64_t cover_epoch = 0;  ///< as long as this is the epoch
  };
  struct File {
    std::shared_ptr<const UniqueFd> fd;
    std::uint64_t salt = 0;
    std::uint64_t end = 0;
    std::uint64_t generation = 0;  ///< 0: none
    bool takes_marks = false;      ///< else they go into tail_ until the file has caught up
    bool failed = false;
  };
  /// What is on the replica's disk; none: nothing is.
  struct Synced {
    SequenceNumber through;
    std::uint64_t round;
  };
  using Through = std::optional<Synced>;
  /// What the new file is to lack.
  struct Leaving {
    bool everything = false;
    std::vector<Location> marks;
  };

  MarkJournal(UniqueFd directory, JournalOwner owner, std::size_t most);

  [[nodiscard]] Entry& mark(const Location& where, const ObjectId& object, bool names);
  [[nodiscard]] Entry* cover_over(const ObjectId& directory);
  void hold(Held& held, const Location& where, const ObjectId& object, bool names);
  /// Whatever covers the directory.
  void hold_itself(Held& held, const Location& where, const ObjectId& object, bool names);
  void hold_everything(Held& held);
  void hold_other_names(Held& held, const Footprint& footprint);
  [[nodiscard]] bool is_young(const Location& entry) const;
  static void add(Held& held, Entry& entry);
  void close_covers();
  [[nodiscard]] bool moves_directory(const Footprint& footprint) const;
  void pin(const Held& held);
  void release_cover(const Held& held, SequenceNumber last) noexcept;
  void write_mark(const Location& where, Entry& entry);
  void write_everything();
  void write_places(const ObjectId& directory, std::uint64_t generation, JournalWriter& writer);
  void place(const ObjectId& directory, const Location& where);
  void cover(const ObjectId& directory, const Location& where);
  template <class Write>
  void append(const Write& write);
  void append_to(File& file, const std::string& bytes);
  void give_up(const Error& why);
  void remove_file(const Error& why);
  [[nodiscard]] static bool is_needed(const Entry& entry, Through through) {
    return entry.under_way > 0 || entry.pinned || !through || entry.last > through->through ||
           entry.noted >= through->round;
  }
  [[nodiscard]] bool is_gone(const ObjectId& directory) const;

  // Replacing the file (mark_journal_rewrite.cpp).
  [[nodiscard]] Result<void> rewrite(Through through);
  [[nodiscard]] Result<void> write_next(Through through);
  [[nodiscard]] Result<File> begin_file();
  [[nodiscard]] bool has_unneeded(Through through) const;
  [[nodiscard]] std::string snapshot(Through through, Leaving& leaving);
  void keep_needed(Through through, Leaving& leaving);
  [[nodiscard]] Result<void> catch_up(Through through, Leaving& leaving);
  void drop(Through through, const Leaving& leaving);
  void forget_gone();
  [[nodiscard]] Result<void> take_its_place();

  // What is relied on is on the disk (mark_journal_commit.cpp).
  struct Waiter {
    std::uint64_t position;
    Announced then;
  };
  void commit_loop();
  void commit(std::unique_lock<std::mutex>& lock);
  void wait_for(std::unique_lock<std::mutex>& lock, const Held& held);
  void wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t position);

  const UniqueFd directory_;
  const JournalOwner owner_;
  const std::size_t most_;
  const std::string name_;
  std::function<void()> when_outdated_;

  std::timed_mutex names_;  // held while a name in the directory changes; mutex_ is not taken then
  std::atomic<bool> retired_ = false;  // set under names_, unless that takes too long

  mutable std::mutex mutex_;  // guards the rest
  std::unordered_map<Location, Entry> marks_;
  std::unordered_map<ObjectId, Directory> directories_;
  std::vector<ObjectId> gone_;  ///< directories that were removed
  /// Objects with several names whose content or attributes were changed, as long as their marks
  /// are needed.
  std::unordered_map<ObjectId, Entry> linked_;
  Entry everything_;
  bool everything_marked_ = false;
  bool saturated_ = false;  ///< there were too many marks: all is under the one on everything
  bool broken_ = false;     ///< the file is gone; the next rewrite makes one
  bool given_up_ = false;
  bool rewriting_ = false;
  std::uint64_t generations_ = 0;
  std::uint64_t round_ = 0;  ///< see begin_round()

  // Covers end when the file is replaced, and when a directory moves. A change may be under way
  // that counts on one that has ended: then the names that the directory moved from and to are
  // needed as long as that change, and for what it will have done.
  std::uint64_t epoch_ = 1;
  std::size_t covered_ = 0;   ///< changes under way that count on a cover of this epoch
  std::size_t outdated_ = 0;  ///< of an earlier one
  std::vector<Entry*> moved_;

  std::uint64_t appended_ = 0;  ///< records, ever
  std::uint64_t durable_ = 0;   ///< of these
  std::vector<Waiter> waiters_;
  std::condition_variable wanted_, reached_;
  bool committing_ends_ = false;
  std::thread committer_;

  File file_;
  File next_;         ///< while the file is replaced
  std::string tail_;  ///< what next_ lacks
};

}  // namespace mirrorfs::journal
