// What a reconcile has read of the source, and what that means for the operations around it.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/stream/intake.h"
#include "mirrorfs/operation.h"

namespace mirrorfs::stream {

/// Where an operation on an entry stands to the last reading of that entry.
enum class Relation : std::uint8_t {
  kBefore,  ///< recorded before the reading began: its effect was read
  kAcross,  ///< begun before the reading ended: its effect may have been read
  kAfter,   ///< begun afterwards, or there was no reading: it is still to be applied
};

/// The one place that relates readings to operations. A reconcile reads the source while
/// applications go on; an operation is begun before it changes the source and recorded afterwards.
/// So a reading has no position in the stream but an interval: all that was recorded before it
/// began is in it, nothing that began after it ended is, and of what lies between nobody can tell.
///
/// | relation         | content and attributes  | directory entries                |
/// | kBefore, kAcross | applied again, in order | its entries are marked once more |
/// | kAfter           | applied                 | applied                          |
///
/// To leave out what is kBefore would be enough by this definition; tried under load it lost
/// updates, and doing them again is always right: content and attributes are absolute values, and a
/// marked entry is read anew.
///
/// Content and attributes are read with their object, under whatever name; entries by themselves or
/// with their directory. Note a reading only when the replica was made equal to it.
/// Ring thread only.
class Readings {
 public:
  explicit Readings(Intake& intake) : intake_(intake) {}

  /// To be called right before the source is read.
  [[nodiscard]] Look begin() { return intake_.look(); }

  /// The entry is as it was read since `from`; `object` is what stood there, null for nothing.
  /// `finished`: all operations up to it have ended.
  void note_entry(const Location& entry, const Look& from, const ObjectId& object,
                  SequenceNumber finished);
  /// All entries of the directory are.
  void note_directory(const ObjectId& directory, const Look& from, SequenceNumber finished);
  /// Content and attributes of the object are, as `read` tells; `under` this name, which a
  /// directory does not have.
  void note_object(const ObjectId& object, const std::optional<Location>& under, const Look& from,
                   SequenceNumber finished, const Metadata& read);

  [[nodiscard]] Relation relation(const Location& entry, const Recorded& operation) const;
  [[nodiscard]] Relation relation(const ObjectId& object, const Recorded& operation) const;
  /// What the last reading of the object found, if it has the operation already.
  [[nodiscard]] const Metadata* read_after(const ObjectId& object, const Recorded& operation) const;
  /// The name under which the object was read, if the operation is or may be in the reading.
  [[nodiscard]] std::optional<Location> read_under(const ObjectId& object,
                                                   const Recorded& operation) const;
  /// An operation that the reading of the object may have is applied again: it is right only when
  /// what followed was applied again, too.
  void applied_again(const ObjectId& object);
  /// The names of such objects.
  [[nodiscard]] std::vector<Location> changed_again() const;
  /// The reading showed another object there than the one that the operation means.
  [[nodiscard]] bool showed_another(const Location& entry, const ObjectId& object,
                                    const Recorded& operation) const;

  /// Whether the replica may show operations that come after some that it still lacks: a reading
  /// took place, and not all has ended that had begun by its end. `finished` as above.
  [[nodiscard]] bool ahead(SequenceNumber finished);

  /// Forgets readings that every operation still to come began after.
  void prune(SequenceNumber finished);
  [[nodiscard]] std::size_t size() const {
    return entries_.size() + directories_.size() + objects_.size();
  }

 private:
  struct Reading {
    SequenceNumber before;    ///< recorded up to it: read
    std::uint64_t ended = 0;  ///< a Look: what began before it may have been read
    SequenceNumber recorded;  ///< by the end
    ObjectId object;
    bool under_way = false;  ///< something had begun that was not recorded by the end
    Metadata read;           ///< of objects
    std::optional<Location> under = std::nullopt;  ///< of objects
    bool applied_again = false;                    ///< of objects
    SequenceNumber last_shown;  ///< no later operation may be in it, once none is under way

    [[nodiscard]] Relation relation(const Recorded& operation) const;
  };
  /// None: no operation can stand before it or across it any more.
  [[nodiscard]] std::optional<Reading> end(const Look& from, const ObjectId& object,
                                           SequenceNumber finished);
  [[nodiscard]] bool has_passed(Reading& reading, SequenceNumber finished);
  template <class Map>
  void drop_passed(Map& readings, SequenceNumber finished);

  Intake& intake_;
  std::optional<Reading> last_;  ///< to have ended; none: it has passed
  std::unordered_map<Location, Reading> entries_;
  std::unordered_map<ObjectId, Reading> directories_;
  std::unordered_map<ObjectId, Reading> objects_;
};

}  // namespace mirrorfs::stream
