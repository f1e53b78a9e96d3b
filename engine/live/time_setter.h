// Sets the times that operations and reconciles have left to be set.
#pragma once

#include <vector>

#include "engine/live/live_state.h"

namespace mirrorfs::live {

class Reconciler;

/// Setting times at each operation would cost two system calls for each: they are set when an
/// object has been left alone for a while, and at once for whoever waits. What the mount did not
/// look at is looked at then: later than the operation, which is right as well, because whatever
/// moves the times again is an operation too. It holds claims as an operation on the object would.
/// Ring thread only.
class TimeSetter {
 public:
  TimeSetter(LiveState& state, Reconciler& reconciler) : state_(state), reconciler_(reconciler) {}

  /// Sets what is due. Sleeps as long as nothing is pending; ends when the ring stops.
  [[nodiscard]] ring::Task<void> run();
  void stop() { state_.times_noted.set_for_good(); }

  /// What is pending now is set when it returns, or marked, or left to an operation on the same
  /// object that completed meanwhile.
  [[nodiscard]] ring::Task<void> flush();
  /// The same of one object.
  [[nodiscard]] ring::Task<void> flush(ObjectId object);

  /// Sets what is pending for an object on which the caller holds an exclusive claim.
  [[nodiscard]] ring::Task<Result<void>> set_claimed(ObjectId object);

 private:
  [[nodiscard]] ring::Task<void> set_all(std::vector<ObjectId> objects);
  [[nodiscard]] ring::Task<void> set_directory(ObjectId directory);
  [[nodiscard]] ring::Task<void> set_object(ObjectId object);
  [[nodiscard]] ring::Task<Result<void>> set_held(ObjectId object, std::optional<Location> where);
  /// The replica does not take times of this object: noted.
  [[nodiscard]] bool is_refused(const ObjectId& object, const Location& where, const Error& error);
  [[nodiscard]] std::optional<Location> usable_name(const ObjectId& object) const;
  void without_a_name(const ObjectId& object);
  void owe_other_names(const ObjectId& object);
  [[nodiscard]] ring::Task<Result<void>> look(ObjectId object, std::optional<Location> where);
  [[nodiscard]] ring::Task<Result<Metadata>> look_at_source(ObjectId object,
                                                            std::optional<Location> where);
  [[nodiscard]] bool source_is_ahead(const ObjectId& object);

  LiveState& state_;
  Reconciler& reconciler_;
};

}  // namespace mirrorfs::live
