// Marks: «this entry may differ between source and replica».
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::state {

using Clock = std::chrono::steady_clock;

/// `since` of what a reconcile made anew or left to another one: the replica may lack any operation
/// on it, however long ago it completed.
inline constexpr SequenceNumber kSinceEver{};

/// What becomes of a marked entry. Who causes a change: request() by whoever finds that the entry
/// may differ, begin_reading() by its reconcile under its claims, done() and failed() at its end, a
/// walk of its directory that began after the last request.
///
///   from \ event    request        begin_reading  done      failed    walked
///   (no mark)       Queued         -              -         -         -
///   Queued          Queued         Reading        -         Waiting   (no mark)
///   Reading         ReadingAgain   -              (no mark) Waiting   (no mark)
///   ReadingAgain    ReadingAgain   -              Queued    Queued    (no mark)
///   Waiting         Queued         -              -         -         (no mark)
///
/// abandon_reading() leads from Reading and ReadingAgain back to Queued; postponed() is done() that
/// leads from Reading to Waiting.
enum class MarkState : std::uint8_t {
  kQueued,        ///< a reconcile is to come that has not read the source yet
  kReading,       ///< a reconcile reads the source, or has read it
  kReadingAgain,  ///< the same, and it was asked for once more since
  kWaiting,       ///< the last reconcile failed; the next is due later
};

/// Why somebody asks for a reconcile.
enum class Origin : std::uint8_t {
  kOperation,
  kWalk,  ///< the walk of its directory, which met it first, left it to a reconcile of its own
};

struct Mark {
  MarkState state = MarkState::kQueued;
  Origin origin = Origin::kOperation;
  Clock::time_point noted;         ///< when it was made, rounded down (Marks::kAgeStep)
  SequenceNumber since;            ///< the first operation that the replica may lack
  unsigned attempts = 0;           ///< reconciles that failed in a row
  Clock::time_point due;           ///< with kWaiting
  std::string cause;               ///< why the replica cannot take it; empty: that is not known yet
  std::uint64_t last_request = 0;  ///< Marks::requests() as of the last request
  std::shared_ptr<void> kept;      ///< the journal has it as long as it is marked
  std::uint64_t reading = 0;       ///< tells this reading from one of a mark that was here before
};

/// A reconcile's right to end the mark that it began to read; null: there was nothing to read.
struct MarkReading {
  std::uint64_t number = 0;
  [[nodiscard]] explicit operator bool() const { return number != 0; }
};

/// The marked entries. Ring thread only.
class Marks {
 public:
  /// True: the entry has to be put into the queue of reconciles. The older `since` counts.
  [[nodiscard]] bool request(const Location& entry, SequenceNumber since, Origin origin);
  /// Null: there is no mark that waits for a reading any more.
  [[nodiscard]] MarkReading begin_reading(const Location& entry);
  /// The source showed another object than the claims are for: to be read again.
  void abandon_reading(const Location& entry, MarkReading reading);
  /// The entry is equal as of the reading. True: it was asked for again and has to be queued.
  [[nodiscard]] bool done(const Location& entry, MarkReading reading);
  /// The reconcile failed, before it read (a null reading) or afterwards. `cause` is empty while
  /// the failure may pass by itself. True: it was asked for again and has to be queued.
  [[nodiscard]] bool failed(const Location& entry, MarkReading reading, std::string cause,
                            Clock::time_point due);
  /// The entry is equal as of the reading, and is to be read once more later. True: as for done().
  [[nodiscard]] bool postponed(const Location& entry, MarkReading reading, Clock::time_point due);
  /// What covers the entry takes the mark over, or it is gone.
  void clear(const Location& entry);
  /// The directory is gone, and its entries' marks with it.
  void forget_directory(const ObjectId& directory);
  /// Its whole listing was reconciled by a walk that began when requests() was `before`.
  void walked(const ObjectId& directory, std::uint64_t before);
  /// Grows with each request.
  [[nodiscard]] std::uint64_t requests() const { return requests_; }

  [[nodiscard]] const Mark* find(const Location& entry) const;
  [[nodiscard]] bool is_marked(const Location& entry) const { return find(entry) != nullptr; }
  /// A reconcile of one of its entries is under way, or to come, and no cause against it is known.
  [[nodiscard]] bool any_moving_in(const ObjectId& directory) const;
  [[nodiscard]] bool any_in(const ObjectId& directory) const { return marks_.contains(directory); }
  /// Was tried, and the replica cannot take it for now.
  [[nodiscard]] bool is_failing(const Location& entry) const;

  /// Waiting entries whose time has come.
  [[nodiscard]] std::vector<Location> due(Clock::time_point now) const;
  [[nodiscard]] std::vector<Location> waiting() const;
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t waiting_count() const { return waiting_; }
  /// Marks with a cause.
  [[nodiscard]] std::size_t failing() const { return failing_; }
  /// When the oldest mark was made, to a tenth of a second; `now` without any.
  [[nodiscard]] Clock::time_point oldest(Clock::time_point now) const {
    return noted_.empty() ? now : noted_.begin()->first;
  }
  /// Nothing that completed up to `number` is under a mark.
  [[nodiscard]] bool clean_through(SequenceNumber number) const {
    return since_.empty() || since_.begin()->first > number;
  }
  /// The first number that the replica may lack, but for marks that are kept; nothing without any.
  [[nodiscard]] std::optional<SequenceNumber> first_not_kept() const {
    if (not_kept_.empty()) return std::nullopt;
    return not_kept_.begin()->first;
  }
  /// `kept` lives as long as the mark, and keeps it in the journal whatever is cleared there.
  void keep(const Location& entry, std::shared_ptr<void> kept);
  /// Of each marked entry that lacks what completed up to `number` it is known that the replica
  /// cannot take it for now; what walks have left to reconciles is left out.
  [[nodiscard]] bool decided_through(SequenceNumber number) const;
  /// Marks with a cause, at most `most`.
  [[nodiscard]] std::vector<std::pair<Location, std::string>> failures(std::size_t most) const;

 private:
  using Entries = std::unordered_map<std::string, Mark>;
  [[nodiscard]] Mark* find_mutable(const Location& entry);
  void set_state(Mark& mark, MarkState state);
  void set_cause(Mark& mark, std::string cause);
  void leave(const Mark& mark);
  void lower(Mark& mark, SequenceNumber since);

  std::unordered_map<ObjectId, Entries> marks_;
  using Numbers = std::map<SequenceNumber, std::size_t>;
  static void remove(Numbers& numbers, SequenceNumber since);
  Numbers since_;     ///< how many marks have this `since`
  Numbers not_kept_;  ///< the same of those that are not kept
  static constexpr std::chrono::milliseconds kAgeStep{100};
  std::map<Clock::time_point, std::size_t> noted_;  ///< how many marks were made then
  std::size_t size_ = 0, waiting_ = 0, failing_ = 0;
  std::uint64_t requests_ = 0, readings_ = 0;
};

}  // namespace mirrorfs::state
