// What the engine's system calls meet: errors, short transfers, applications that go on meanwhile.
#pragma once

#include <functional>
#include <string>

#include "identity.h"
#include "plan.h"
#include "random.h"
#include "system_calls.h"
#include "trace.h"

namespace mirrorfs::simulation {

class Faults final : public CallHooks {
 public:
  Faults(const Plan& plan, Identity& identity, std::string replica, Trace& trace);

  /// Called now and then between two calls that the engine makes without waiting.
  void on_preemption(std::function<void()> others) { others_ = std::move(others); }
  /// Nothing fails while they are off.
  void turn_on(bool on) { on_ = on; }
  /// The process is dead: what its destructors still try does not happen.
  void set_dead(bool dead) { dead_ = dead; }
  [[nodiscard]] bool look_fails();

  int before(Call call, int fd, const char* name) override;
  std::size_t shortened(Call call, int fd, std::size_t size) override;
  void after(Call, int) override {}
  void adjust(struct statx& found) override { identity_.adjust(found); }

 private:
  [[nodiscard]] bool on_replica(int fd) const;
  [[nodiscard]] int draw_error(Call call);

  const FaultPlan plan_;
  Identity& identity_;
  const std::string replica_;
  Trace& trace_;
  Random random_;
  std::function<void()> others_;
  bool on_ = false;
  bool dead_ = false;
  bool preempting_ = false;
  unsigned failed_ = 0;
  unsigned burst_ = 0;  ///< calls that fail more probably
};

}  // namespace mirrorfs::simulation
