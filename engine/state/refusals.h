// What the replica does not take of objects that it has.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mirrorfs/error.h"
#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs::state {

/// An attribute that a filesystem refuses costs that attribute and nothing else: unlike a mark, a
/// refusal does not keep operations from being applied. Of each kind (what was refused, and why)
/// one is tried again from time to time; when it is taken, all others of its kind are. A directory
/// is known by its entry in its parent, the root by an empty name in itself. Ring thread only.
class Refusals {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kFirstRetry{1};
  static constexpr std::chrono::seconds kLongestRetry{60};

  struct Refused {
    Location entry;
    ObjectId object;
  };

  /// `held` lives as long as the refusal. True: the first of its kind.
  [[nodiscard]] bool note(const Location& entry, const ObjectId& object, const Error& error,
                          std::shared_ptr<void> held, Clock::time_point now);
  /// The entry is equal, or there is none. Yields the others of its kind if it was tried again:
  /// they will be taken as well.
  [[nodiscard]] std::vector<Refused> taken(const Location& entry);
  /// Whatever had the name has it no more.
  void gone(const Location& entry) { erase(entry); }
  void renamed(const Location& from, const Location& to);
  void exchanged(const Location& one, const Location& other);
  /// The directory is gone, with all its entries.
  void forget_directory(const ObjectId& directory);
  /// All names in the directory that something is noted of.
  [[nodiscard]] std::vector<std::string> names_in(const ObjectId& directory) const;

  [[nodiscard]] bool contains(const Location& entry) const { return find(entry) != nullptr; }
  /// The object that it was noted of; null: nothing is.
  [[nodiscard]] const ObjectId* find(const Location& entry) const;
  /// Whether it holds for one of those noted: its entry, and the object that had it.
  [[nodiscard]] bool any_of(
      const std::function<bool(const Location&, const ObjectId&)>& holds) const;
  [[nodiscard]] std::size_t size() const { return size_; }
  /// One of each kind whose time has come; its next is set.
  [[nodiscard]] std::vector<Refused> due(Clock::time_point now);
  /// One of each kind, now.
  [[nodiscard]] std::vector<Refused> one_of_each();
  [[nodiscard]] std::vector<std::pair<Location, std::string>> named(std::size_t most) const;

 private:
  struct Kind {
    Error error;
    std::unordered_map<Location, ObjectId> entries;
    unsigned attempts = 0;
    Clock::time_point due;
    std::optional<Location> tried;
  };
  using Kinds = std::map<std::string, Kind>;
  struct Noted {
    Kinds::iterator kind;
    ObjectId object;
    std::shared_ptr<void> held;
  };

  void erase(const Location& entry);
  [[nodiscard]] std::optional<Noted> take_out(const Location& entry);
  void put(const Location& entry, Noted noted);
  [[nodiscard]] static Refused try_one(Kind& kind);

  std::unordered_map<ObjectId, std::unordered_map<std::string, Noted>> noted_;  ///< by directory
  Kinds kinds_;  ///< by what error messages say without the names of objects
  std::size_t size_ = 0;
};

}  // namespace mirrorfs::state
