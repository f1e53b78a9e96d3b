// Those who wait for a sequence number: called when it is as far as they were promised.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "engine/live/durability.h"
#include "engine/live/live_state.h"
#include "mirrorfs/replicator.h"

namespace mirrorfs::live {

class Dispatcher;
class Reconciler;
class TimeSetter;

/// How a wait ended.
enum class Waited { kDone, kFailed, kStopped };

enum class WaitFor {
  kApplied,  ///< the replica has it, or refuses what just this operation touched (kFailed)
  kBarrier,  ///< and it is durable; kFailed when the replica refuses something
  kDurable,  ///< all up to the number is applied, unmarked and durable
};

struct Wait {
  WaitId id;
  WaitFor what = WaitFor::kApplied;
  SequenceNumber number;
  /// What has to be right on the replica beside what is applied; null: all up to the number.
  std::shared_ptr<const Footprint> covered;
  std::move_only_function<void(Waited)> then;
};

/// First a wait is looked at when its number is closed: ordered by number, so that a step costs
/// nothing for those behind it. What is marked then is looked at whenever a mark may have gone.
/// Ring thread only.
class Waits {
 public:
  Waits(LiveState& state, Reconciler& reconciler, Durability& durability, TimeSetter& times,
        const Dispatcher& dispatcher)
      : state_(state),
        reconciler_(reconciler),
        durability_(durability),
        times_(times),
        dispatcher_(dispatcher) {}

  void add(Wait wait);
  /// Nothing is left of it; its callback may be on its way.
  void cancel(WaitId id);
  /// Calls who is to be called, whenever there is progress. Ends after stop().
  [[nodiscard]] ring::Task<void> serve();
  /// An application waits for what marks cover, and not only somebody for everything.
  [[nodiscard]] bool applications_wait_for_marks() const;
  /// Nothing will come any more: everybody is told.
  void stop();

 private:
  using ByNumber = std::multimap<SequenceNumber, Wait>;
  [[nodiscard]] ByNumber& open_for(const Wait& wait);
  void take_through(ByNumber& open, SequenceNumber number);
  void look();
  [[nodiscard]] bool is_decided(const Wait& wait) const;
  [[nodiscard]] bool is_decided(const Location& entry, SequenceNumber number) const;
  void decided(std::vector<Wait> waits);
  [[nodiscard]] ring::Task<void> answer_applied(std::vector<Wait> waits);
  [[nodiscard]] bool covers_one_object(const Wait& wait) const;
  [[nodiscard]] ring::Task<void> sync_object_for(Wait wait);
  [[nodiscard]] ring::Task<void> sync_for(std::vector<Wait> waits);
  [[nodiscard]] bool stands(const Wait& wait, bool synced) const;

  LiveState& state_;
  Reconciler& reconciler_;
  Durability& durability_;
  TimeSetter& times_;
  const Dispatcher& dispatcher_;
  ByNumber unclosed_, unfinished_;  ///< of barriers; of the others
  std::vector<Wait> undecided_;     ///< for marks
  bool stopped_ = false;
};

}  // namespace mirrorfs::live
