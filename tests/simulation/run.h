// One run: everything that a seed stands for, from an empty pair of directories to the verdict.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actor.h"
#include "driver.h"
#include "engine_under_test.h"
#include "faults.h"
#include "identity.h"
#include "ledger.h"
#include "mount.h"
#include "plan.h"
#include "playground.h"
#include "random.h"
#include "simulated_time.h"
#include "strangers.h"
#include "workload.h"

namespace mirrorfs::simulation {

struct Verdict {
  std::string failure;  ///< empty: every promise was kept
  std::uint64_t digest = 0;
  std::uint64_t steps = 0;
};

[[nodiscard]] Verdict run_plan(const Plan& plan, Playground& playground, Trace& trace);

/// Schedules the applications and the engine against each other, and judges.
class Run final : public Scheduler {
 public:
  Run(const Plan& plan, Playground& playground, Trace& trace);
  Verdict all_sessions();

  void turn(Driver& driver, std::optional<ring::Clock::time_point> wake) override;

 private:
  enum class Phase {
    kStarting,   ///< the applications wait for the baseline
    kWorking,    ///< they work
    kQuiescing,  ///< nothing is to be done but to converge
    kStopping,   ///< the clean stop
    kOver,
  };

  void session(std::size_t number);
  void begin_work();
  void end_session(bool crashed);
  void advance_phase(Driver& driver);
  void quiesce();
  void stop();
  void check_converged();
  void check_clean_stop();
  void maybe_check_claim(const Driver& driver);
  void maybe_disturb(Driver& driver);
  [[nodiscard]] bool end_disturbance(Driver& driver);
  [[nodiscard]] bool resume();
  void maybe_crash();
  void maybe_examine();
  void plant_strangers();
  void clear_the_way();
  [[nodiscard]] std::vector<std::string> differences_now(std::size_t most = 12) const;
  void wait_for_some_path();
  void maybe_wait_for_path();
  void judge_path_wait();
  void maybe_damage();
  [[nodiscard]] bool repair_damage();
  [[nodiscard]] bool scrubbed();
  void check_scrub();
  void compare(const char* promise, const std::string& when);
  void fail_if(const std::optional<std::string>& broken);
  [[nodiscard]] bool claims_order();
  void check_order();
  void edit_behind_its_back();
  [[nodiscard]] MountParts mount_parts();
  void note_recorded(SequenceNumber number, bool barrier);
  void note_settled(SequenceNumber number, bool barrier, ObjectId covered);
  void fail(std::string what);
  [[nodiscard]] bool step_application();
  [[nodiscard]] bool application_can_go();
  [[nodiscard]] bool step_engine(Driver& driver, std::optional<ring::Clock::time_point> wake);
  void answer_some(Driver& driver);
  void watch_progress(const Driver& driver);
  [[nodiscard]] std::string who_waits(const Driver& driver);

  const Plan& plan_;
  Playground& playground_;
  Trace& trace_;
  Random random_;
  Identity identity_;
  UniqueFd source_root_, replica_root_;
  Faults faults_;
  Ledger ledger_;
  GitRules excluded_;  ///< in this session
  Strangers strangers_;
  std::uint64_t way_cleared_ = 0;  ///< step

  std::size_t session_ = 0;
  unsigned boots_ = 0;
  Phase phase_ = Phase::kStarting;
  std::unique_ptr<EngineUnderTest> engine_;
  const Driver* driver_ = nullptr;  ///< the engine's
  std::unique_ptr<Mount> mount_;
  std::unique_ptr<Workload> workload_;
  std::vector<std::unique_ptr<Actor>> actors_;
  AwaitedRef awaited_, pausing_;
  ExaminationRef examination_;
  /// Somebody waits for one path only.
  struct PathWait {
    std::string path;
    AwaitedRef answer;
    SequenceNumber completed;  ///< when it was asked
    bool quiet = false;        ///< nothing was under way then
  };
  std::optional<PathWait> path_wait_;
  Random chaos_;               ///< what operator.cpp decides by
  bool damaged_ = false;       ///< by others, and not repaired yet
  bool ever_damaged_ = false;  ///< in this run
  unsigned repairs_ = 0;
  std::uint64_t passes_awaited_ = 0;  ///< of the scrub, before all is to be mended
  bool crashed_ = false;
  std::uint64_t disturbed_until_ = 0;  ///< step
  unsigned claims_checked_ = 0;
  unsigned orders_checked_ = 0;
  std::uint64_t phase_began_ = 0;  ///< step
  SimulatedTime::Duration phase_began_at_{};
  std::string failure_;
};

}  // namespace mirrorfs::simulation
