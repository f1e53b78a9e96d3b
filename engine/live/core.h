// The running engine: everything that lives on the ring thread, and the ring itself.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/copy/staging.h"
#include "engine/journal/session_record.h"
#include "engine/live/dispatcher.h"
#include "engine/live/durability.h"
#include "engine/live/examiner.h"
#include "engine/live/file_closer.h"
#include "engine/live/live_state.h"
#include "engine/live/path_waits.h"
#include "engine/live/reconciler.h"
#include "engine/live/recovery.h"
#include "engine/live/scrubber.h"
#include "engine/live/time_setter.h"
#include "engine/live/waits.h"
#include "mirrorfs/mirror.h"

namespace mirrorfs::live {

/// Made on the thread that calls run(). After construction, post() onto the ring for everything
/// that is not marked otherwise.
class Core {
 public:
  struct Parts {
    std::unique_ptr<ring::Ring> ring;
    copy::Staging staging;
    stream::Intake& intake;
    journal::SessionRecord& session;
    std::shared_ptr<journal::MarkJournal> journal;  ///< null: none is kept
    std::unique_ptr<replica::Keeper> keeper;        ///< none: nothing has to be kept
    compare::Boundaries boundaries;
    exclude::Exclusion exclusion;
    Fidelity fidelity;
    ObjectId root;
    int source_root;
    int replica_root;
    std::string pair_id;
    std::chrono::seconds scrub{0};
    std::uint64_t rate_limit = 0;
    std::chrono::milliseconds late_requests{0};
  };
  explicit Core(Parts parts);

  /// What is compared first.
  struct Beginning {
    std::optional<compare::Policy> policy;         ///< none: nothing
    std::optional<journal::JournalContent> marks;  ///< set: these only
  };
  /// Runs until the ring is stopped.
  void run(Beginning beginning);

  [[nodiscard]] ring::Ring& ring() { return *ring_; }  ///< post(), stop(), abandon(): any thread

  /// Before run().
  void on_activity(std::function<void()> call) { state_.on_activity = std::move(call); }

  // Ring thread:
  /// The intake has something.
  void work_arrived();
  /// Fulfils the promise when the replica stands still, or when it was resumed instead.
  [[nodiscard]] ring::Task<void> pause(std::shared_ptr<std::promise<void>> stands_still);
  void resume();
  [[nodiscard]] EngineStatus status();
  void wait(Wait wait);
  /// Fulfils the promise when what completed on the paths is durable, or is not by then.
  [[nodiscard]] ring::Task<void> wait_for_paths(std::vector<std::string> paths,
                                                std::optional<std::chrono::milliseconds> timeout,
                                                std::shared_ptr<std::promise<bool>> answer);
  using Findings = std::vector<Examined>;
  /// Fulfils the promise when each path has been looked at.
  [[nodiscard]] ring::Task<void> examine(ExamineRequest request,
                                         std::shared_ptr<std::promise<Findings>> answer);
  void set_rate_limit(std::uint64_t rate);
  void set_scrub(std::chrono::seconds period) { scrubber_.set_period(period); }
  void cancel(WaitId id) { waits_.cancel(id); }
  /// The journal lacks marks and cannot be removed: the replica disowns this session, so that the
  /// next start compares everything. Tried until it is done.
  void disown_session();
  /// Everything applied and durable, the clean stop recorded; then the ring stops.
  [[nodiscard]] ring::Task<void> drain(std::shared_ptr<std::promise<bool>> clean);
  /// As drain() left it; any thread, after it has fulfilled its promise.
  [[nodiscard]] const EngineStatus& final_status() const { return final_status_; }

 private:
  static constexpr std::chrono::milliseconds kRestTick{2};

  /// Takes what is recorded some at a time: to be woken for each operation would cost both sides
  /// more than the operation. Whoever waits for the replica does not wait for this.
  [[nodiscard]] ring::Task<void> gather();
  /// Lets go of replica files that nobody writes to any more: while they are open for writing they
  /// cannot be executed (ETXTBSY, execve(2)), and the replica is there to be used.
  [[nodiscard]] ring::Task<void> close_unused_files();
  [[nodiscard]] MirrorState judge_state(double lag_seconds);
  /// Until all is applied, or waits for a replica that refuses it.
  [[nodiscard]] ring::Task<void> settle_everything();
  [[nodiscard]] ring::Task<bool> drain_everything();
  [[nodiscard]] ring::Task<void> remove_session_file();
  [[nodiscard]] ring::Task<void> recover(journal::JournalContent marks);
  [[nodiscard]] ring::Task<void> examine_one(std::string path, Examiner::Options options,
                                             Examined& found);
  /// Nothing is owed that a comparison would meet everywhere.
  [[nodiscard]] bool may_scrub();
  [[nodiscard]] std::uint64_t scrub_work() const;

  std::unique_ptr<ring::Ring> ring_;
  copy::Staging staging_;
  journal::SessionRecord& session_;
  const std::unique_ptr<replica::Keeper> keeper_;
  const compare::Boundaries boundaries_;
  exclude::Exclusion exclusion_;
  LiveState state_;
  Reconciler reconciler_;
  Recovery recovery_;
  TimeSetter times_;
  Dispatcher dispatcher_;
  Durability durability_;
  FileCloser closer_;
  Waits waits_;
  PathWaits path_waits_;
  Examiner examiner_;
  Scrubber scrubber_;
  bool gathering_ = false;
  bool disowning_ = false;
  EngineStatus final_status_;
  bool draining_ = false;
  bool drained_ = false;  ///< there is no more to come
};

}  // namespace mirrorfs::live
