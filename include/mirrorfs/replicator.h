// The seam between the mount and the engine: fs calls this, the engine implements it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "mirrorfs/error.h"
#include "mirrorfs/footprint.h"
#include "mirrorfs/operation.h"
#include "mirrorfs/types.h"

namespace mirrorfs {

class Replicator;

/// Room in the queue for the operations of one request; given back when destroyed unless begin()
/// took it.
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

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// The room, now the caller's to give back.
  [[nodiscard]] std::size_t consume() {
    owner_ = nullptr;
    return std::exchange(bytes_, 0);
  }

 private:
  Replicator* owner_ = nullptr;
  std::size_t bytes_ = 0;
};

/// The promise, made right before the source is changed, that the change will be recorded or what
/// it may have touched will be marked. Ended by complete() or nothing_changed(). Destroyed without
/// either (an early return, a failing look at the source, an exception), it puts an Unknown with
/// its footprint into the stream, at its place, which needs no memory and cannot fail. Lives within
/// the node locks under which the source is changed.
class Intent {
 public:
  /// The engine's side. Destroyed without complete(): Unknown.
  class Promise {
   public:
    virtual ~Promise() = default;
    virtual SequenceNumber record(Operation&& operation) = 0;
    virtual void complete() noexcept = 0;
    [[nodiscard]] virtual const std::shared_ptr<const Footprint>& footprint() const = 0;
  };

  Intent() = default;
  explicit Intent(std::unique_ptr<Promise> promise) : promise_(std::move(promise)) {}

  /// One of the operations that the request came to, in the order in which the source saw them.
  /// Never waits. An operation that could not be recorded (bad_alloc) has no number.
  SequenceNumber record(Operation operation) { return promise_->record(std::move(operation)); }

  /// All that changed is recorded.
  void complete() noexcept {
    if (promise_) promise_->complete();
    promise_.reset();
  }
  /// The source refused: nothing is different.
  void nothing_changed() noexcept { complete(); }

  /// For settle().
  [[nodiscard]] std::shared_ptr<const Footprint> footprint() const { return promise_->footprint(); }

  [[nodiscard]] explicit operator bool() const { return promise_ != nullptr; }

 private:
  std::unique_ptr<Promise> promise_;
};

/// Names something that waits, for cancel() and give_up(). 0: nothing waits.
struct WaitId {
  std::uint64_t value = 0;
  [[nodiscard]] explicit operator bool() const { return value != 0; }
};

/// How far an operation has to be before its request may be answered.
enum class Await {
  kOperation,  ///< in sync mode: applied
  kBarrier,    ///< in fsync and sync mode: durable, with all before it
};

/// Every handler that changes the source does, in this order:
///   1. is_ahead(), admit()     – before any lock is taken. No room: the request is put aside, and
///                                goes on when admit_later() calls back
///   2. take the locks of the nodes (see fs/nodes)
///   3. begin()                 – a reconcile that reads the source from now on knows that what it
///                                sees may come as an operation
///   4. change the source, look at the result
///   5. Intent::record(), complete()  – sequence numbers are given under those locks
///   6. drop the locks; answer, or where must_wait() says so, put the request aside and answer when
///      settle() calls back
/// Whoever only reads calls nothing of this. No member waits. All are safe from any thread, and
/// callbacks may come on any thread, also before the call that took them has returned: they must
/// not wait for anything either.
class Replicator {
 public:
  using Admitted = std::move_only_function<void(Admission)>;
  using Settled = std::move_only_function<void(Result<void>)>;

  virtual ~Replicator() = default;

  /// Bytes to ask room for, for an operation that carries `payload` bytes. What it takes exactly,
  /// names and all, is known and accounted for when it is recorded.
  [[nodiscard]] virtual std::size_t cost(std::size_t payload) const = 0;

  /// Room for so many bytes if there is room now and nobody waits for it (overflow=throttle). Where
  /// what overflows is marked instead (catch-up), always.
  [[nodiscard]] virtual std::optional<Admission> admit(std::size_t bytes) = 0;
  /// Calls `then` as soon as there is room, in the order of the calls.
  virtual WaitId admit_later(std::size_t bytes, Admitted then) = 0;
  /// For a request that may wait no longer: past the limit if need be.
  [[nodiscard]] virtual Admission admit_regardless(std::size_t bytes) = 0;

  /// Whether begin() has to wait for the journal's disk where what changes was not announced, by
  /// is_ahead() or when_ahead(). If not, both have nothing to do.
  [[nodiscard]] virtual bool writes_ahead() const { return false; }
  /// Marks what is about to change. True: begin() will not have to wait.
  [[nodiscard]] virtual bool is_ahead(const Footprint&) { return true; }
  /// Calls `then` when it is so; maybe at once.
  using Ahead = std::move_only_function<void()>;
  virtual void when_ahead(const Footprint&, Ahead then) { then(); }

  /// Allocates all that a mark on the footprint will take. bad_alloc: nothing was begun.
  [[nodiscard]] virtual Intent begin(Admission admission, Footprint footprint) = 0;

  /// Marks what may change from now on without a request, until what is returned goes: on disk
  /// before this returns as far as begin() promises. The mark says nothing of when: whoever holds
  /// it records what changed, or an Unknown, before he lets it go. As long as one is held no stop
  /// is recorded as clean.
  [[nodiscard]] virtual std::shared_ptr<void> keep_marked(const Footprint&) { return nullptr; }

  /// Whether the mode makes a request wait at all.
  [[nodiscard]] virtual bool must_wait(Await what) const = 0;
  /// Calls `then` when `number` is as far as the mode promises: with EIO when the replica failed
  /// and on-dst-error=fail. Of what could not be applied and is still to be reconciled it waits
  /// for what `covered` names only.
  virtual WaitId settle(SequenceNumber number, Await what, std::shared_ptr<const Footprint> covered,
                        Settled then) = 0;

  /// The callback is not wanted any more; it may be on its way.
  virtual void cancel(WaitId wait) noexcept = 0;
  /// What on-dst-error has a request say that cannot wait for the replica any longer.
  [[nodiscard]] virtual Result<void> answer_without_replica() const = 0;

 private:
  friend class Admission;
  virtual void give_back(std::size_t bytes) noexcept = 0;
};

inline Admission::~Admission() {
  if (owner_ != nullptr) owner_->give_back(bytes_);
}

}  // namespace mirrorfs
