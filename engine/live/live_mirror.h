// Mirror and Replicator for the outside: the thread, the intake, and those who wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <mutex>
#include <thread>

#include "engine/journal/mark_journal.h"
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
    std::string boot;  ///< journal::boot_id()
  };
  explicit LiveMirror(Opened opened);
  ~LiveMirror() override;

  [[nodiscard]] std::vector<std::string> warnings() const override;
  void on_activity(std::function<void()> call) override { on_activity_ = std::move(call); }
  [[nodiscard]] Result<void> start() override;
  /// start() without a thread: run_core() has to be called on the thread that called this. For
  /// simulations, which bring a ring of their own; wait(), pause(), status() and stop() would wait
  /// for that thread.
  [[nodiscard]] Result<void> make_core(std::unique_ptr<ring::Ring> ring,
                                       std::unique_ptr<replica::Keeper> keeper = nullptr);
  void run_core() { core_->run(std::move(beginning_)); }
  [[nodiscard]] Core& core() { return *core_; }
  [[nodiscard]] stream::Intake& intake() { return intake_; }
  [[nodiscard]] Replicator& replicator() override { return *this; }
  [[nodiscard]] int source_root() const override { return opened_.source.fd.get(); }
  [[nodiscard]] int replica_root() const override { return opened_.replica.fd.get(); }
  [[nodiscard]] EngineStatus status() const override;
  [[nodiscard]] MirrorSettings settings() const override;
  void change(const MirrorSettings& settings) override;
  [[nodiscard]] bool wait(std::optional<std::chrono::milliseconds> timeout) override;
  [[nodiscard]] bool wait_for_paths(const std::vector<std::string>& paths,
                                    std::optional<std::chrono::milliseconds> timeout) override;
  [[nodiscard]] std::vector<Examined> examine(const ExamineRequest& request,
                                              const std::function<bool()>& given_up) override;
  [[nodiscard]] bool pause() override;
  void resume() override;
  [[nodiscard]] bool stop(std::optional<std::chrono::milliseconds> drain_timeout) override;

  [[nodiscard]] std::size_t cost(std::size_t payload) const override;
  [[nodiscard]] bool writes_ahead() const override;
  [[nodiscard]] bool is_ahead(const Footprint& footprint) override;
  void when_ahead(const Footprint& footprint, Ahead then) override;
  [[nodiscard]] std::optional<Admission> admit(std::size_t bytes) override;
  WaitId admit_later(std::size_t bytes, Admitted then) override;
  [[nodiscard]] Admission admit_regardless(std::size_t bytes) override;
  [[nodiscard]] Intent begin(Admission admission, Footprint footprint) override;
  [[nodiscard]] std::shared_ptr<void> keep_marked(const Footprint& footprint) override {
    return intake_.keep_marked(footprint);
  }
  [[nodiscard]] bool must_wait(Await what) const override;
  WaitId settle(SequenceNumber number, Await what, std::shared_ptr<const Footprint> covered,
                Settled then) override;
  void cancel(WaitId wait) noexcept override;
  [[nodiscard]] Result<void> answer_without_replica() const override;

 private:
  enum class WaitsIn { kIntake, kCore };
  void give_back(std::size_t bytes) noexcept override { intake_.give_back(bytes); }
  WaitId post_wait(Wait wait);
  [[nodiscard]] static WaitId public_id(WaitId id, WaitsIn where);
  [[nodiscard]] Core::Beginning choose_beginning();
  [[nodiscard]] std::optional<journal::JournalContent> journal_of_last_session() const;
  [[nodiscard]] bool is_of_this_boot(const journal::JournalContent& content) const;
  [[nodiscard]] std::optional<journal::JournalContent> marks_in(
      std::optional<journal::JournalContent> content) const;
  [[nodiscard]] Result<void> make_journal(const std::string& pair_id);
  [[nodiscard]] Result<std::unique_ptr<replica::Keeper>> make_keeper() const;
  void end_thread(bool by_force);
  [[nodiscard]] Losses lost_here() const;

  /// All that the core's thread uses. A thread that hangs is left behind with it.
  struct Life {
    explicit Life(Opened opened);
    Opened opened;
    stream::Intake intake;
    std::unique_ptr<Core> core;
  };
  /// It stays until the process ends.
  static void keep_for_ever(std::unique_ptr<Life> life);

  std::unique_ptr<Life> life_;  ///< null once it is kept for ever
  Opened& opened_;
  stream::Intake& intake_;
  Losses lost_;  ///< set by start()
  // Of opened_.options, these are the values in force.
  std::atomic<Mode> mode_;
  std::atomic<OnReplicaError> on_replica_error_;
  std::atomic<std::chrono::seconds> scrub_;
  std::atomic<std::uint64_t> rate_limit_;
  std::function<void()> on_activity_;  ///< not changed after the start
  Core::Beginning beginning_;
  std::shared_ptr<journal::MarkJournal> journal_;
  Core* core_ = nullptr;  ///< the life's
  std::atomic<std::uint64_t> last_wait_{0};
  std::thread thread_;
  std::future<void> thread_ended_;
  std::atomic<bool> stopped_{false};  ///< the status stays as it is
  mutable std::mutex status_mutex_;
  mutable EngineStatus last_status_;  // guarded by status_mutex_
  mutable stream::Recorded::Clock::time_point last_answer_ =
      stream::Recorded::Clock::now();  // guarded by status_mutex_
};

}  // namespace mirrorfs::live
