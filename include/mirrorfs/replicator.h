// The seam between the mount and the engine: fs calls this, the engine implements it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "mirrorfs/error.h"
#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs {

class Replicator;

/// What the engine notes of an operation before the source is changed.
struct Admitted {
  std::size_t bytes = 0;    ///< accounted for in the queue; 0: no admission
  std::uint64_t begun = 0;  ///< tells those who read the source later from those who did before
};

/// Room in the queue for one operation, and the notice that the source is about to change;
/// withdrawn when destroyed unless record() consumed it.
class Admission {
 public:
  Admission() = default;
  Admission(Replicator& owner, Admitted admitted) : owner_(&owner), admitted_(admitted) {}
  Admission(Admission&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)),
        admitted_(std::exchange(other.admitted_, {})) {}
  Admission& operator=(Admission&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(admitted_, other.admitted_);
    return *this;
  }
  ~Admission();
  /// What was admitted, now the caller's.
  [[nodiscard]] Admitted consume() {
    owner_ = nullptr;
    return std::exchange(admitted_, {});
  }

 private:
  Replicator* owner_ = nullptr;
  Admitted admitted_;
};

/// Every handler that changes the source does, in this order:
///   1. admit()                      – may block (backpressure), so before any lock is taken; a
///                                     reconcile that reads the source from now on knows that what
///                                     it sees may come as an operation
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
  virtual void withdraw(Admitted admitted) noexcept = 0;
};

inline Admission::~Admission() {
  if (owner_ != nullptr) owner_->withdraw(admitted_);
}

}  // namespace mirrorfs
