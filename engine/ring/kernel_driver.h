// The driver that every process but a simulation uses: one io_uring, helper threads, the real time.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "engine/ring/driver.h"
#include "engine/ring/helper_pool.h"
#include "engine/ring/inbox.h"
#include "engine/ring/kernel_ring.h"
#include "engine/ring/worker_limit.h"
#include "mirrorfs/error.h"

namespace mirrorfs::ring {

struct RingOptions;

class KernelDriver final : public Driver {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KernelDriver>> create(const RingOptions& options,
                                                                    LiveCounters& counters);

  void begin() override;
  void end() override;
  void start(Request& request) noexcept override;
  void start(HelperJob& job) noexcept override;
  void post(Posted function) override { inbox_->post(std::move(function)); }
  void take_posted(std::vector<Posted>& functions) override { inbox_->drain_into(functions); }
  [[nodiscard]] Clock::time_point now() const noexcept override { return Clock::now(); }
  void turn(std::optional<Clock::time_point> wake) override;
  void abandon() noexcept override;

 private:
  KernelDriver(const RingOptions& options, LiveCounters& counters, std::shared_ptr<Inbox> inbox);

  void queue_pending();
  void enter_once(std::optional<Clock::time_point> wake);
  void reap();
  void complete(Request& request, int result);
  void count(std::uint8_t opcode);
  void nudge_workers();
  [[nodiscard]] std::optional<std::chrono::nanoseconds> longest_sleep(
      std::optional<Clock::time_point> wake) const;
  [[nodiscard]] unsigned requests_under_way() const { return in_flight_ - (wake_armed_ ? 1 : 0); }

  const bool direct_calls_;
  const std::chrono::microseconds gather_time_;
  LiveCounters& counters_;
  const std::shared_ptr<Inbox> inbox_;
  std::unique_ptr<KernelRing> kernel_;
  std::optional<WorkerLimit> worker_limit_;
  HelperPool helpers_;
  bool enabled_ = false;
  bool wake_armed_ = false;
  unsigned in_flight_ =
      0;  ///< requests in the kernel or its submission queue, the wake-up included
  std::deque<Request*> pending_;  ///< not yet in the submission queue
};

}  // namespace mirrorfs::ring
