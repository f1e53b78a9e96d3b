#include "fs/control/requests.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "fs/control/examine_json.h"
#include "fs/control/names_json.h"

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
enum class Waited { kDone, kTimeout, kPaused };

Waited wait_in_slices(Mirror& mirror, const DaemonCalls& daemon,
                      const std::vector<std::string>& paths, std::optional<Milliseconds> timeout,
                      const Presence& presence) {
  // Even a mirror that has everything needs a moment to say so: --timeout=0 asks «now?».
  if (timeout) timeout = std::max(*timeout, kShortestWait);
  const auto deadline = timeout ? Clock::now() + *timeout : Clock::time_point::max();
  Milliseconds slice = 250ms;
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - Clock::now());
    const Milliseconds length = std::clamp(left, 0ms, slice);
    const bool done = paths.empty() ? mirror.wait(length) : mirror.wait_for_paths(paths, length);
    if (done) return Waited::kDone;
    if (daemon.look().state == MirrorState::kPaused) return Waited::kPaused;
    if (Clock::now() >= deadline || presence.gone()) return Waited::kTimeout;
    slice *= 2;
  }
}

Reply answer_wait(Mirror& mirror, const DaemonCalls& daemon, const json& request,
                  const Presence& presence) {
  std::optional<Milliseconds> timeout;
  if (const auto given = request.find("timeout"); given != request.end() && !given->is_null()) {
    if (!given->is_number() || given->get<double>() < 0) {
      return refuse("timeout must be a number of seconds");
    }
    if (const double seconds = given->get<double>(); seconds < kLongestWait) {
      timeout = std::chrono::ceil<Milliseconds>(std::chrono::duration<double>(seconds));
    }
  }
  std::vector<std::string> paths;
  const json listed = request.value("paths", json::array());
  const auto is_path = [](const json& entry) {
    return entry.is_object() && entry.contains("path");
  };
  if (!listed.is_array() || !std::ranges::all_of(listed, is_path)) {
    return refuse("paths must be a list of objects with a path each");
  }
  for (const json& entry : listed) paths.push_back(name_from(entry, "path"));
  const Waited waited = wait_in_slices(mirror, daemon, paths, timeout, presence);
  return good({{"done", waited == Waited::kDone}, {"paused", waited == Waited::kPaused}});
}

/// The order matters: the look may be what changes the state.
Reply answer_status(const DaemonCalls& daemon) {
  const EngineStatus engine = daemon.look();
  return good({{"status", status_json(engine, daemon.status())}});
}

Reply answer_examine(Mirror& mirror, const json& body, const Presence& presence) {
  const auto request = examine_request_from(body);
  if (!request) return refuse("paths must be a list of objects with a path each");
  const auto findings = mirror.examine(*request, [&presence] { return presence.gone(); });
  return good(findings_json(findings));
}

Reply answer_pause(Mirror& mirror, const DaemonCalls& daemon) {
  const bool stands_still = mirror.pause();
  static_cast<void>(daemon.look());
  return good({{"stands_still", stands_still}});
}

Reply answer_resume(Mirror& mirror, const DaemonCalls& daemon) {
  mirror.resume();
  static_cast<void>(daemon.look());
  return good({});
}

Reply answer_set(const DaemonCalls& daemon, const json& request) {
  const json options = request.value("options", json::array());
  if (!options.is_array() || !std::ranges::all_of(options, &json::is_string)) {
    return refuse("options must be a list of NAME=VALUE");
  }
  if (auto set = daemon.set(options.get<std::vector<std::string>>()); !set) {
    return refuse(set.error());
  }
  json settings = json::object();
  for (const auto& [name, value] : daemon.settings()) settings[name] = value;
  return good({{"settings", settings}});
}

Reply answer_trees(Mirror& mirror, const DaemonStatus& daemon) {
  Reply reply = good({{"source", daemon.source}, {"replica", daemon.replica}});
  reply.descriptors = {mirror.source_root(), mirror.replica_root()};
  return reply;
}

Reply answer_mapped(const MappedFiles& files) {
  return good({{"nodes", files.nodes}, {"generation", files.generation}});
}

}  // namespace

Handler answer_from(Mirror& mirror, DaemonCalls daemon) {
  return [&mirror, daemon = std::move(daemon)](const json& request, const Presence& presence) {
    const std::string name = request.value("request", "");
    if (name == "status") return answer_status(daemon);
    if (name == "wait") return daemon.capture(), answer_wait(mirror, daemon, request, presence);
    if (name == "examine") return daemon.capture(), answer_examine(mirror, request, presence);
    if (name == "mapped") return answer_mapped(daemon.mapped());
    if (name == "trees") return answer_trees(mirror, daemon.status());
    if (name == "pause") return answer_pause(mirror, daemon);
    if (name == "resume") return answer_resume(mirror, daemon);
    if (name == "set") return answer_set(daemon, request);
    return refuse("unknown request '" + name +
                  "'; it must be status, wait, examine, mapped, trees, pause, resume or set");
  };
}

}  // namespace mirrorfs::control
