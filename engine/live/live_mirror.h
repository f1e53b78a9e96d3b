// Mirror and Replicator for the outside: the thread, the intake, and the waiting.
#pragma once

#include <future>
#include <mutex>
#include <thread>

#include "engine/journal/pairing.h"
#include "engine/journal/session_record.h"
#include "engine/live/core.h"
#include "engine/stream/intake.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::live {

class LiveMirror final : public Mirror, public Replicator {
 public:
  struct Opened {
    MirrorOptions options;
    journal::TreeRoot source, replica;
    journal::Pairing pairing;
    journal::SessionRecord session;
  };
  explicit LiveMirror(Opened opened);
  ~LiveMirror() override;

  [[nodiscard]] Result<void> start() override;
  [[nodiscard]] Replicator& replicator() override { return *this; }
  [[nodiscard]] int source_root() const override { return opened_.source.fd.get(); }
  [[nodiscard]] int replica_root() const override { return opened_.replica.fd.get(); }
  [[nodiscard]] EngineStatus status() const override;
  [[nodiscard]] bool wait(std::optional<std::chrono::milliseconds> timeout) override;
  [[nodiscard]] bool pause() override;
  void resume() override;
  [[nodiscard]] bool stop(std::optional<std::chrono::milliseconds> drain_timeout) override;

  [[nodiscard]] Admission admit(std::size_t payload) override;
  SequenceNumber record(Admission admission, Operation operation) override;
  [[nodiscard]] Result<void> settle(SequenceNumber number) override;
  [[nodiscard]] Result<void> settle_barrier(SequenceNumber number) override;

 private:
  void withdraw(Admitted admitted) noexcept override { intake_.withdraw(admitted); }
  [[nodiscard]] std::optional<compare::Policy> first_baseline() const;
  [[nodiscard]] Result<void> outcome(std::future<Waited>& waited) const;
  void end_thread(bool by_force);

  Opened opened_;
  stream::Intake intake_;
  std::unique_ptr<Core> owned_core_;
  Core* core_ = nullptr;  ///< stays valid when a hanging thread is left behind with its Core
  std::thread thread_;
  std::future<void> thread_ended_;
  mutable std::mutex status_mutex_;
  mutable EngineStatus last_status_;  // guarded by status_mutex_
};

}  // namespace mirrorfs::live
