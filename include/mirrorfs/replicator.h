// The seam between the mount and the engine: fs calls this, the engine implements it.
#pragma once

#include <chrono>
#include <cstddef>
#include <utility>

#include "mirrorfs/error.h"
#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs {

class Replicator;

/// Room in the queue for one operation, returned when destroyed unless record() consumed it.
class Admission {
 public:
  Admission() = default;
  Admission(Replicator& owner, std::size_t bytes) : owner_(&owner), bytes_(bytes) {}
  Admission(Admission&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Admission& operator=(Admission&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Admission();
  /// The bytes accounted for, now the caller's to give back.
  [[nodiscard]] std::size_t consume() {
    owner_ = nullptr;
    return std::exchange(bytes_, 0);
  }

 private:
  Replicator* owner_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Every handler that changes the source does, in this order:
///   1. admit()                      – may block (backpressure), so before any lock is taken
///   2. take the locks of the nodes  – see fs/nodes
///   3. change the source, look at the result
///   4. record()                     – never blocks; gives the sequence number under those locks
///   5. drop the locks, settle() or settle_barrier() as the mode demands, reply
/// A change that failed on the source is not recorded. All members are safe from any thread.
class Replicator {
 public:
  virtual ~Replicator() = default;

  /// Waits until the queue has room for an operation that carries `payload` bytes.
  [[nodiscard]] virtual Admission admit(std::size_t payload) = 0;

  /// One call per operation kind: each type of operation.h converts to Operation.
  virtual SequenceNumber record(Admission admission, Operation operation) = 0;

  /// Returns when `number` is as far as the mode promises before a reply: at once in async and
  /// fsync mode, when applied in sync mode. EIO when the replica failed and on-dst-error=fail.
  [[nodiscard]] virtual Result<void> settle(SequenceNumber number) = 0;

  /// The same for a Barrier: durable in fsync and sync mode.
  [[nodiscard]] virtual Result<void> settle_barrier(SequenceNumber number) = 0;

 private:
  friend class Admission;
  virtual void give_back(std::size_t bytes) noexcept = 0;
};

inline Admission::~Admission() {
  if (owner_ != nullptr) owner_->give_back(bytes_);
}

}  // namespace mirrorfs
