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
  std::size_t cost(std::size_t payload) const override { return payload; }
  std::optional<Admission> admit(std::size_t bytes) override { return Admission(*this, bytes); }
  WaitId admit_later(std::size_t bytes, Admitted then) override {
    then(Admission(*this, bytes));
    return {};
  }
  Admission admit_regardless(std::size_t bytes) override { return {*this, bytes}; }
  Intent begin(Admission, Footprint footprint) override {
    return Intent(std::make_unique<Promise>(recorded_, std::move(footprint)));
  }
  bool must_wait(Await) const override { return false; }
  WaitId settle(SequenceNumber, Await, std::shared_ptr<const Footprint>, Settled then) override {
    then({});
    return {};
  }
  void cancel(WaitId) noexcept override {}
  Result<void> answer_without_replica() const override { return {}; }

 private:
  class Promise final : public Intent::Promise {
   public:
    Promise(std::atomic<std::uint64_t>& recorded, Footprint footprint)
        : recorded_(recorded),
          footprint_(std::make_shared<const Footprint>(std::move(footprint))) {}
    SequenceNumber record(Operation&&) override { return {++recorded_}; }
    void complete() noexcept override {}
    const std::shared_ptr<const Footprint>& footprint() const override { return footprint_; }

   private:
    std::atomic<std::uint64_t>& recorded_;
    std::shared_ptr<const Footprint> footprint_;
  };

  void give_back(std::size_t) noexcept override {}
  std::atomic<std::uint64_t> recorded_ = 0;
};

class FakeMirror : public Mirror {
 public:
  void on_activity(std::function<void()> call) override { activity = std::move(call); }
  Result<void> start() override { return {}; }
  MirrorSettings settings() const override { return settings_; }
  void change(const MirrorSettings& settings) override { settings_ = settings; }
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
  bool wait_for_paths(const std::vector<std::string>& paths,
                      std::optional<std::chrono::milliseconds> timeout) override {
    {
      const std::lock_guard lock(mutex_);
      waited_for = paths;
    }
    return wait(timeout);
  }
  [[nodiscard]] std::vector<Examined> examine(const ExamineRequest& request,
                                              const std::function<bool()>&) override {
    const std::lock_guard lock(mutex_);
    examined.push_back(request);
    return std::vector<Examined>(request.paths.size(), finding);
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

  std::vector<ExamineRequest> examined;
  std::vector<std::string> waited_for;
  Examined finding;
  EngineStatus engine_status;
  std::function<void()> activity;
  std::atomic<bool> paused = false;
  std::atomic<bool> stands_still = true;
  std::atomic<int> waits = 0;

 private:
  FakeReplicator replicator_;
  MirrorSettings settings_;
  UniqueFd source_{::open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  UniqueFd replica_{::open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool durable_ = false;
};

}  // namespace mirrorfs::testing
