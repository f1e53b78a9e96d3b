// What carries out the requests of a ring: the kernel, or a simulation of it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

namespace mirrorfs::ring {

class HelperJob;
class Request;

using Clock = std::chrono::steady_clock;
using Posted = std::move_only_function<void()>;

/// A ring runs coroutines; its driver decides when what they wait for happens: the order of
/// completions, the time, the moment at which work of other threads is seen. post() and abandon()
/// are for any thread, the rest belongs to the ring's thread.
///
/// A driver answers each request once, by Request::complete(), and each job by HelperJob::run();
/// both only from within turn(), and never after abandon().
class Driver {
 public:
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  /// The calling thread enters run(). Throws std::system_error when the kernel refuses the ring.
  virtual void begin() = 0;
  /// It leaves run(): all tasks have ended, so no request and no job is under way.
  virtual void end() = 0;

  /// Both live in the frame of a suspended coroutine and stay there until they are answered.
  virtual void start(Request& request) noexcept = 0;
  virtual void start(HelperJob& job) noexcept = 0;

  virtual void post(Posted function) = 0;
  /// Hands out, in order, what was posted and is to run now.
  virtual void take_posted(std::vector<Posted>& functions) = 0;

  [[nodiscard]] virtual Clock::time_point now() const noexcept = 0;

  /// One turn of the ring's loop: hands over what was started, waits until something is answered or
  /// posted, at most until `wake` (nullopt: for ever), and answers what is done.
  virtual void turn(std::optional<Clock::time_point> wake) = 0;

  /// The tasks will never be resumed: what they wait for may hang, and is left behind with all that
  /// it uses.
  virtual void abandon() noexcept = 0;
};

}  // namespace mirrorfs::ring
