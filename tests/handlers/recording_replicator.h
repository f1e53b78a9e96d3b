// A Replicator that writes down what it is told.
#pragma once

#include <gtest/gtest.h>

#include <mutex>
#include <variant>
#include <vector>

#include "mirrorfs/replicator.h"

namespace mirrorfs::testing {

class RecordingReplicator final : public Replicator {
 public:
  Admission admit(std::size_t payload) override {
    const std::lock_guard lock(mutex_);
    admitted_ += payload + 1;
    return {*this, {.bytes = payload + 1, .begun = 0}};
  }

  SequenceNumber record(Admission admission, Operation operation) override {
    const std::lock_guard lock(mutex_);
    admitted_ -= admission.consume().bytes;
    operations_.push_back(std::move(operation));
    return {++last_};
  }

  Result<void> settle(SequenceNumber) override {
    const std::lock_guard lock(mutex_);
    ++settled_;
    if (failure_ != 0) return fail(failure_, "settle");
    return {};
  }

  Result<void> settle_barrier(SequenceNumber) override {
    const std::lock_guard lock(mutex_);
    ++barriers_settled_;
    if (failure_ != 0) return fail(failure_, "settle");
    return {};
  }

  /// What was recorded since the last call.
  [[nodiscard]] std::vector<Operation> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(operations_, {});
  }

  /// Bytes admitted that were neither recorded nor given back.
  [[nodiscard]] std::size_t admitted() const {
    const std::lock_guard lock(mutex_);
    return admitted_;
  }
  [[nodiscard]] int settled() const { return settled_; }
  [[nodiscard]] int barriers_settled() const { return barriers_settled_; }
  void fail_settling_with(int code) {
    const std::lock_guard lock(mutex_);
    failure_ = code;
  }

 private:
  void withdraw(Admitted admitted) noexcept override {
    const std::lock_guard lock(mutex_);
    admitted_ -= admitted.bytes;
  }

  mutable std::mutex mutex_;
  std::vector<Operation> operations_;
  std::uint64_t last_ = 0;
  std::size_t admitted_ = 0;
  int settled_ = 0, barriers_settled_ = 0;
  int failure_ = 0;
};

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
