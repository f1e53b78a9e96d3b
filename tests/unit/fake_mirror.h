// A Mirror without an engine, for tests of what stands around it.
#pragma once

#include <fcntl.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "mirrorfs/mirror.h"

namespace mirrorfs::testing {

class FakeReplicator : public Replicator {
 public:
  Admission admit(std::size_t payload) override { return {*this, {.bytes = payload, .begun = 0}}; }
  SequenceNumber record(Admission admission, Operation) override {
    (void)admission.consume();
    return {++recorded_};
  }
  Result<void> settle(SequenceNumber) override { return {}; }
  Result<void> settle_barrier(SequenceNumber) override { return {}; }

 private:
  void withdraw(Admitted) noexcept override {}
  std::atomic<std::uint64_t> recorded_ = 0;
};

class FakeMirror : public Mirror {
 public:
  Result<void> start() override { return {}; }
  Replicator& replicator() override { return replicator_; }
  int source_root() const override { return source_.get(); }
  int replica_root() const override { return replica_.get(); }
  EngineStatus status() const override { return engine_status; }

  bool wait(std::optional<std::chrono::milliseconds> timeout) override {
    std::unique_lock lock(mutex_);
    ++waits;
    const auto done = [this] { return durable_; };
    if (timeout) return changed_.wait_for(lock, *timeout, done);
    changed_.wait(lock, done);
    return true;
  }
  [[nodiscard]] bool pause() override {
    paused = true;
    return stands_still;
  }
  void resume() override { paused = false; }
  bool stop(std::optional<std::chrono::milliseconds>) override { return true; }

  void become_durable() {
    const std::lock_guard lock(mutex_);
    durable_ = true;
    changed_.notify_all();
  }

  EngineStatus engine_status;
  std::atomic<bool> paused = false;
  std::atomic<bool> stands_still = true;
  std::atomic<int> waits = 0;

 private:
  FakeReplicator replicator_;
  UniqueFd source_{::open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  UniqueFd replica_{::open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool durable_ = false;
};

}  // namespace mirrorfs::testing
