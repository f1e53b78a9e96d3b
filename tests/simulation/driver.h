// The ring's driver in a simulation: what is under way sits in a pool until the scheduler picks it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "engine/ring/driver.h"
#include "random.h"
#include "system_calls.h"
#include "trace.h"

namespace mirrorfs::simulation {

class Driver;

/// Who decides what happens next. Called again and again while the engine waits; it has to let at
/// least one thing happen, or to abandon the ring.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual void turn(Driver& driver, std::optional<ring::Clock::time_point> wake) = 0;
};

/// A request is carried out at one moment and answered at another: the kernel's workers work in an
/// order of their own.
class Driver final : public ring::Driver {
 public:
  Driver(Scheduler& scheduler, CallHooks& hooks, Trace& trace)
      : scheduler_(scheduler), hooks_(hooks), trace_(trace) {}

  void begin() override {}
  void end() override {}
  void start(ring::Request& request) noexcept override;
  void start(ring::HelperJob& job) noexcept override;
  void post(ring::Posted function) override { posted_.push_back(std::move(function)); }
  void take_posted(std::vector<ring::Posted>& functions) override;
  [[nodiscard]] ring::Clock::time_point now() const noexcept override;
  void turn(std::optional<ring::Clock::time_point> wake) override;
  void abandon() noexcept override { pool_.clear(); }

  // For the scheduler.
  [[nodiscard]] std::size_t under_way() const { return pool_.size(); }
  [[nodiscard]] std::size_t posted() const { return posted_.size() - delivered_; }
  /// The functions posted so far run next.
  void deliver_posted() { delivered_ = posted_.size(); }
  /// Carries out one that was not, without answering it; nothing when all were.
  void execute_one(Random& random);
  /// Answers one, carried out before or now. False: it hangs.
  bool answer_one(Random& random);
  /// Requests that begin from now on hang until this is called with false.
  void hang_new(bool hang) { hang_new_ = hang; }
  void release_hanging();
  [[nodiscard]] std::size_t hanging() const;
  /// A close has lost data, and the engine was not told yet.
  [[nodiscard]] bool loss_untold() const;

 private:
  struct Waiting {
    ring::Request* request = nullptr;  ///< or else a job
    ring::HelperJob* job = nullptr;
    bool executed = false;
    bool hangs = false;
    int result = 0;
    std::uint64_t number = 0;
  };
  void execute(Waiting& waiting);
  [[nodiscard]] std::optional<std::size_t> pick(Random& random, bool unexecuted) const;
  void say(const Waiting& waiting, const char* what);

  Scheduler& scheduler_;
  CallHooks& hooks_;
  Trace& trace_;
  std::vector<Waiting> pool_;
  std::vector<ring::Posted> posted_;
  std::size_t delivered_ = 0;
  std::uint64_t started_ = 0;
  bool hang_new_ = false;
};

}  // namespace mirrorfs::simulation
