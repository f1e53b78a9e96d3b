// What the engine's system calls meet: errors, short transfers, applications that go on meanwhile.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "identity.h"
#include "plan.h"
#include "playground.h"
#include "random.h"
#include "system_calls.h"
#include "trace.h"
#include "write_back.h"

namespace mirrorfs::simulation {

class Faults final : public CallHooks {
 public:
  Faults(const Plan& plan, Identity& identity, const Playground& playground, int replica_root,
         Trace& trace);

  /// Called now and then between two calls that the engine makes without waiting.
  void on_preemption(std::function<void()> others) { others_ = std::move(others); }
  /// Nothing fails while they are off.
  void turn_on(bool on) { on_ = on; }
  /// From now on the replica takes nothing new under the name `number`, wherever it is; none: no
  /// longer.
  void refuse_name(std::optional<unsigned> number);
  [[nodiscard]] bool refuses_a_name() const { return !refused_name_.empty(); }
  /// The process is dead: what its destructors still try does not happen.
  void set_dead(bool dead) { dead_ = dead; }
  [[nodiscard]] bool look_fails();
  /// How many allocations of the next record() succeed before one fails; nullopt: all do.
  [[nodiscard]] std::optional<unsigned> allocation_fails();
  /// The replica's disk and cache; null when write-backs never fail in this run.
  [[nodiscard]] WriteBack* write_back() { return write_back_ ? &*write_back_ : nullptr; }
  /// Called when the replica was synced.
  void on_sync(std::function<void()> synced) { synced_ = std::move(synced); }
  /// Called when one file was, through this descriptor.
  void on_file_sync(std::function<void(int)> synced) { file_synced_ = std::move(synced); }
  [[nodiscard]] bool waiter_is_killed();

  int before(Call call, int fd, const char* name) override;
  std::size_t shortened(Call call, int fd, std::size_t size) override;
  void after(Call call, int fd) override;
  void adjust(struct statx& found) override { identity_.adjust(found); }

 private:
  [[nodiscard]] static bool is_below(int fd, const std::string& path);
  [[nodiscard]] bool loses_at_close(int fd);
  void note_unsynced(Call call, int fd);
  [[nodiscard]] int draw_error(Call call);

  const FaultPlan plan_;
  Identity& identity_;
  const std::string replica_, state_;
  Trace& trace_;
  Random random_;
  std::function<void()> others_, synced_;
  std::function<void(int)> file_synced_;
  std::optional<WriteBack> write_back_;
  std::set<std::uint64_t> unsynced_;  ///< inodes that were written since they were last synced
  bool on_ = false;
  bool dead_ = false;
  bool preempting_ = false;
  std::string refused_name_;
  unsigned failed_ = 0;
  unsigned burst_ = 0;  ///< calls that fail more probably
};

}  // namespace mirrorfs::simulation
