#include "fs/control/requests.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace mirrorfs::control {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr double kLongestWait = 1e7;  ///< seconds, about four months: "forever" beyond it
constexpr Milliseconds kShortestWait = 100ms;

Reply good(json body) {
  body["ok"] = true;
  return {to_line(body), {}};
}

/// Mirror::wait() cannot be interrupted, so it is called in slices, and the client is checked in
/// between. Each slice waits anew for all that completed before it; they double in length, so
/// under endless writes one of them is longer than the lag.
bool wait_in_slices(Mirror& mirror, std::optional<Milliseconds> timeout, const Presence& presence) {
  // Even a mirror that has everything needs a moment to say so: --timeout=0 asks «now?».
  if (timeout) timeout = std::max(*timeout, kShortestWait);
  const auto deadline = timeout ? Clock::now() + *timeout : Clock::time_point::max();
  Milliseconds slice = 250ms;
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - Clock::now());
    const Milliseconds length = std::clamp(left, 0ms, slice);
    if (mirror.wait(length)) return true;
    if (Clock::now() >= deadline) return false;
    if (presence.gone()) return false;
    slice *= 2;
  }
}

Reply answer_wait(Mirror& mirror, const json& request, const Presence& presence) {
  std::optional<Milliseconds> timeout;
  if (const auto given = request.find("timeout"); given != request.end() && !given->is_null()) {
    if (!given->is_number() || given->get<double>() < 0) {
      return refuse("timeout must be a number of seconds");
    }
    if (const double seconds = given->get<double>(); seconds < kLongestWait) {
      timeout = std::chrono::ceil<Milliseconds>(std::chrono::duration<double>(seconds));
    }
  }
  return good({{"done", wait_in_slices(mirror, timeout, presence)}});
}

Reply answer_trees(Mirror& mirror, const DaemonStatus& daemon) {
  Reply reply = good({{"source", daemon.source}, {"replica", daemon.replica}});
  reply.descriptors = {mirror.source_root(), mirror.replica_root()};
  return reply;
}

}  // namespace

Handler answer_from(Mirror& mirror, std::function<DaemonStatus()> daemon_status,
                    std::function<void()> capture) {
  return [&mirror, daemon_status = std::move(daemon_status), capture = std::move(capture)](
             const json& request, const Presence& presence) {
    const std::string name = request.value("request", "");
    if (name == "status") return good({{"status", status_json(mirror.status(), daemon_status())}});
    if (name == "wait") return capture(), answer_wait(mirror, request, presence);
    if (name == "trees") return answer_trees(mirror, daemon_status());
    if (name == "pause") return good({{"stands_still", mirror.pause()}});
    if (name == "resume") return mirror.resume(), good({});
    return refuse("unknown request '" + name +
                  "'; it must be status, wait, trees, pause or resume");
  };
}

}  // namespace mirrorfs::control
