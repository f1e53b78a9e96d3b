// The start after a killed session: what its journal has marked is compared, and nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/journal/mark_file.h"
#include "engine/live/live_state.h"

namespace mirrorfs::live {

class Reconciler;

/// The replica is trusted as after a clean stop, but for the marked entries. For that, each of
/// their directories has to be in the table. Where the source may have a directory elsewhere than
/// the journal tells, the entries that it moved from and to are marked too, and a reconcile of
/// those walks what it finds there. Ring thread only.
class Recovery {
 public:
  Recovery(LiveState& state, Reconciler& reconciler) : state_(state), reconciler_(reconciler) {}

  /// Before the first operation is applied: fills the table and queues the reconciles.
  [[nodiscard]] ring::Task<void> begin(journal::JournalContent content);

  [[nodiscard]] RecoveryProgress progress() const;
  /// Nothing is marked any more: what is looked at from now on is not for this.
  void note_clean();

 private:
  enum class Standing : std::uint8_t {
    kTrusted,   ///< in the table
    kCovered,   ///< at or below a marked name: gone, or walked by that one's reconcile
    kExcluded,  ///< at or below what is excluded
    kLost,      ///< not on the replica where it should be
  };
  [[nodiscard]] ring::Task<Standing> trust(ObjectId directory);
  [[nodiscard]] ring::Task<Standing> trust_at(ObjectId directory, Location where);
  [[nodiscard]] ring::Task<bool> find(journal::JournalMark mark);
  [[nodiscard]] std::optional<std::vector<std::string>> names_to(const ObjectId& directory) const;
  [[nodiscard]] bool is_excluded(const Location& entry) const;
  [[nodiscard]] ring::Task<bool> may_have_other_names(journal::JournalMark mark);
  [[nodiscard]] ring::Task<Result<Metadata>> look_at_source(Location entry);

  LiveState& state_;
  Reconciler& reconciler_;
  std::unordered_map<ObjectId, Location> places_;
  std::unordered_set<Location> names_;  ///< entries that may stand for another object
  std::vector<Location> found_;         ///< to be reconciled
  bool root_is_marked_ = false;
  RecoveryProgress progress_;
};

}  // namespace mirrorfs::live
