// A Replicator that writes down what it is told.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <mutex>
#include <variant>
#include <vector>

#include "mirrorfs/replicator.h"

namespace mirrorfs::testing {

/// Answers every wait at once, unless told to hold it back.
class RecordingReplicator final : public Replicator {
 public:
  std::size_t cost(std::size_t payload) const override { return payload + 1; }

  std::optional<Admission> admit(std::size_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (full_) return std::nullopt;
    admitted_ += bytes;
    return Admission(*this, bytes);
  }
  WaitId admit_later(std::size_t bytes, Admitted then) override {
    const std::lock_guard lock(mutex_);
    ++waited_for_room_;
    for_room_.push_back({{++last_wait_}, bytes, std::move(then)});
    return {last_wait_};
  }
  Admission admit_regardless(std::size_t bytes) override {
    const std::lock_guard lock(mutex_);
    admitted_ += bytes;
    return {*this, bytes};
  }
  Intent begin(Admission admission, Footprint footprint) override;

  bool must_wait(Await) const override { return true; }
  WaitId settle(SequenceNumber, Await what, std::shared_ptr<const Footprint>,
                Settled then) override {
    std::unique_lock lock(mutex_);
    ++(what == Await::kBarrier ? barriers_settled_ : settled_);
    if (held_back_) {
      held_.push_back({{++last_wait_}, std::move(then)});
      return {last_wait_};
    }
    const int failure = failure_;
    lock.unlock();
    then(outcome(failure));
    return {};
  }
  void cancel(WaitId wait) noexcept override {
    const std::lock_guard lock(mutex_);
    std::erase_if(held_, [wait](const Held& held) { return held.id.value == wait.value; });
    std::erase_if(for_room_, [wait](const ForRoom& one) { return one.id.value == wait.value; });
  }
  Result<void> answer_without_replica() const override { return {}; }

  /// What was recorded since the last call. Intents that ended without a word are Unknown.
  [[nodiscard]] std::vector<Operation> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(operations_, {});
  }
  /// What the Unknowns since the last call may have touched.
  [[nodiscard]] std::vector<Footprint> take_abandoned() {
    const std::lock_guard lock(mutex_);
    return std::exchange(abandoned_, {});
  }

  /// Bytes admitted that were neither recorded nor given back.
  [[nodiscard]] std::size_t admitted() const {
    const std::lock_guard lock(mutex_);
    return admitted_;
  }
  [[nodiscard]] int settled() const { return locked(settled_); }
  [[nodiscard]] int barriers_settled() const { return locked(barriers_settled_); }
  [[nodiscard]] std::size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  [[nodiscard]] int waited_for_room() const { return locked(waited_for_room_); }

  void fail_settling_with(int code) {
    const std::lock_guard lock(mutex_);
    failure_ = code;
  }
  /// No wait is answered until release().
  void hold_back() {
    const std::lock_guard lock(mutex_);
    held_back_ = true;
  }
  void release() {
    std::list<Held> held;
    {
      const std::lock_guard lock(mutex_);
      held_back_ = false;
      held.swap(held_);
    }
    for (Held& one : held) one.then({});
  }
  /// Nobody gets room until make_room().
  void become_full() {
    const std::lock_guard lock(mutex_);
    full_ = true;
  }
  void make_room() {
    std::list<ForRoom> waiting;
    {
      const std::lock_guard lock(mutex_);
      full_ = false;
      waiting.swap(for_room_);
      for (const ForRoom& one : waiting) admitted_ += one.bytes;
    }
    for (ForRoom& one : waiting) one.then(Admission(*this, one.bytes));
  }
  /// record() has no memory for the n-th operation from now on, and for that one only.
  void fail_record(int nth) {
    const std::lock_guard lock(mutex_);
    fail_record_in_ = nth;
  }

 private:
  class Promise;
  struct Held {
    WaitId id;
    Settled then;
  };
  struct ForRoom {
    WaitId id;
    std::size_t bytes;
    Admitted then;
  };

  void give_back(std::size_t bytes) noexcept override {
    const std::lock_guard lock(mutex_);
    admitted_ -= bytes;
  }
  [[nodiscard]] static Result<void> outcome(int failure) {
    if (failure != 0) return fail(failure, "settle");
    return {};
  }
  [[nodiscard]] int locked(const int& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  std::vector<Operation> operations_;
  std::vector<Footprint> abandoned_;
  std::list<Held> held_;
  std::list<ForRoom> for_room_;
  std::uint64_t last_ = 0, last_wait_ = 0;
  std::size_t admitted_ = 0;
  int settled_ = 0, barriers_settled_ = 0, waited_for_room_ = 0;
  int failure_ = 0;
  int fail_record_in_ = 0;
  bool held_back_ = false, full_ = false;
};

class RecordingReplicator::Promise final : public Intent::Promise {
 public:
  Promise(RecordingReplicator& owner, std::size_t bytes, Footprint footprint)
      : owner_(owner),
        bytes_(bytes),
        footprint_(std::make_shared<const Footprint>(std::move(footprint))) {}
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;
  ~Promise() override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.admitted_ -= bytes_;
    if (completed_) return;
    owner_.operations_.push_back(Unknown{});
    owner_.abandoned_.push_back(*footprint_);
    ++owner_.last_;
  }
  SequenceNumber record(Operation&& operation) override {
    const std::lock_guard lock(owner_.mutex_);
    if (owner_.fail_record_in_ > 0 && --owner_.fail_record_in_ == 0) throw std::bad_alloc();
    owner_.operations_.push_back(std::move(operation));
    return {++owner_.last_};
  }
  void complete() noexcept override { completed_ = true; }
  const std::shared_ptr<const Footprint>& footprint() const override { return footprint_; }

 private:
  RecordingReplicator& owner_;
  const std::size_t bytes_;
  std::shared_ptr<const Footprint> footprint_;
  bool completed_ = false;
};

inline Intent RecordingReplicator::begin(Admission admission, Footprint footprint) {
  Intent intent(std::make_unique<Promise>(*this, admission.bytes(), std::move(footprint)));
  (void)admission.consume();
  return intent;
}

/// The operations of one kind among those recorded, in order.
template <class Kind>
[[nodiscard]] std::vector<Kind> only(std::vector<Operation>& operations) {
  std::vector<Kind> found;
  for (Operation& operation : operations) {
    if (auto* const kind = std::get_if<Kind>(&operation)) found.push_back(std::move(*kind));
  }
  return found;
}

}  // namespace mirrorfs::testing
