#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "fs/control/client.h"
#include "fs/control/names_json.h"
#include "fs/control/status_json.h"
#include "fs/ctl/commands.h"
#include "fs/ctl/daemon_calls.h"
#include "fs/ctl/format.h"
#include "fs/ctl/interruption.h"
#include "fs/ctl/live_verify.h"
#include "fs/ctl/progress.h"
#include "mirrorfs/tree_pair.h"
#include "mirrorfs/tree_tools.h"

namespace mirrorfs::ctl {
namespace {

using nlohmann::json;

/// How long verify MNT waits for the queue, per round.
constexpr double kQueueSeconds = 30;
/// While the replica is paused or refuses something, waiting longer will not complete it.
constexpr double kHopelessSeconds = 1;
/// A repair is waited for as long as it goes on; without any progress for six of these.
constexpr double kRepairStepSeconds = 10;
constexpr int kIdleWaits = 6;

/// SRC and DST by path.
Answer<std::unique_ptr<TreePair>> open_pair(const Arguments& arguments, bool for_change) {
  return TreePair::open({.source = arguments.paths[0],
                         .replica = arguments.paths[1],
                         .for_change = for_change,
                         .adopt = arguments.adopt,
                         .max_delete = arguments.max_delete,
                         .tolerate = arguments.tolerate,
                         .exclude = arguments.exclude});
}

int print_json(const json& body, bool good) {
  std::puts(control::to_line(body).c_str());
  return std::fflush(stdout) != 0 ? kExitFailed : good ? kExitYes : kExitNo;
}

int print_verify(const Arguments& arguments, const VerifyReport& report) {
  const bool good = arguments.repair ? report.failures.empty() : report.identical();
  if (arguments.json) return print_json(verify_json(report), good);
  std::fputs(human_verify(report, arguments.repair).c_str(), stdout);
  return std::fflush(stdout) != 0 ? kExitFailed : good ? kExitYes : kExitNo;
}

int print_live(const Arguments& arguments, const LiveReport& report) {
  const bool good = report.verify.identical();
  if (arguments.json) return print_json(live_verify_json(report), good);
  std::fputs(human_live_verify(report, arguments.repair).c_str(), stdout);
  for (const std::string& path : report.busy) {
    std::fprintf(stderr, "mirrorctl: '%s' is busy: it never stood still, so it was not compared\n",
                 printable(path).c_str());
  }
  return std::fflush(stdout) != 0 ? kExitFailed : good ? kExitYes : kExitNo;
}

bool is_hopeless(const std::filesystem::path& mount) {
  const auto status = status_of(mount);
  const std::string state = status ? status->value("state", "") : "";
  return state == "paused" || state == "degraded";
}

void wait_for_queue(const std::filesystem::path& mount) {
  static_cast<void>(
      wait_until_durable(mount, {}, is_hopeless(mount) ? kHopelessSeconds : kQueueSeconds));
}

/// What a reconcile moves forward.
std::pair<std::uint64_t, std::uint64_t> progress_of(const std::filesystem::path& mount) {
  const auto status = status_of(mount);
  if (!status) return {};
  return {status->value("marks", std::uint64_t{0}),
          status->value("bytes_replicated_total", std::uint64_t{0})};
}

/// As long as something goes on: a large file takes its time.
void wait_for_repair(const std::filesystem::path& mount) {
  auto before = progress_of(mount);
  for (int idle = 0; idle < kIdleWaits;) {
    const bool hopeless = is_hopeless(mount);
    const auto waited =
        wait_until_durable(mount, {}, hopeless ? kHopelessSeconds : kRepairStepSeconds);
    if (!waited || *waited != Waited::kTimeout || hopeless) return;
    const auto now = progress_of(mount);
    idle = now == before ? idle + 1 : 0;
    before = now;
  }
}

int verify_mount(const Arguments& arguments) {
  const auto& mount = arguments.paths[0];
  const auto trees = trees_of(mount);
  if (!trees) return complain(trees.error());
  const VerifyOptions options{.full = arguments.full};
  const LiveSteps steps{
      .wait = [&mount] { wait_for_queue(mount); },
      .verify = [&] { return verify_trees(trees->source.get(), trees->replica.get(), options); },
      .examine =
          [&](const std::vector<std::string>& paths, bool repair) {
            return examine(mount, {.paths = paths, .full = arguments.full, .repair = repair});
          },
      .wait_for_repair = [&mount] { wait_for_repair(mount); },
  };
  const auto report = verify_live(steps, arguments.repair);
  if (!report) return complain("verify: " + report.error());
  return print_live(arguments, *report);
}

/// The mount that mirrors between these, if it runs.
std::optional<std::string> mount_of_pair(const std::filesystem::path& source,
                                         const std::filesystem::path& replica) {
  std::error_code ignored;
  const std::string ours = std::filesystem::canonical(source, ignored).native();
  const std::string theirs = std::filesystem::canonical(replica, ignored).native();
  for (auto& [mount, client] : control::connect_to_all()) {
    const auto answer = client.ask({{"request", "status"}}, std::chrono::seconds(3));
    if (!answer) continue;
    const json status = json::parse(answer->body).value("status", json::object());
    const std::string there = control::name_from(status, "replica");
    if (there == theirs && control::name_from(status, "source") == ours) return mount;
  }
  return std::nullopt;
}

int verify_pair(const Arguments& arguments) {
  if (arguments.repair) {
    const auto mount = mount_of_pair(arguments.paths[0], arguments.paths[1]);
    if (mount) {
      return complain("verify --repair: '" + arguments.paths[1].native() +
                      "' is the replica of the running mount '" + *mount +
                      "', which alone may change it: use mirrorctl verify '" + *mount +
                      "' --repair");
    }
  }
  const auto pair = open_pair(arguments, arguments.repair);
  if (!pair) return complain(pair.error());
  const auto report = (*pair)->verify({.full = arguments.full, .repair = arguments.repair});
  if (!report) return complain("verify: " + report.error().message());
  return print_verify(arguments, *report);
}

/// With a buffer of its own stdio need not look at what it writes to (fstat): a sync asks for the
/// attributes of what it copies and of nothing else.
void give_output_a_buffer() {
  static std::array<char, 64 << 10> buffer;
  static_cast<void>(std::setvbuf(stdout, buffer.data(), _IOFBF, buffer.size()));
}

}  // namespace

int run_verify(const Arguments& arguments) {
  return arguments.paths.size() == 1 ? verify_mount(arguments) : verify_pair(arguments);
}

int run_sync(const Arguments& arguments) {
  const auto pair = open_pair(arguments, !arguments.dry_run);
  if (!pair) return complain(pair.error());
  SyncOptions options;
  options.check = arguments.full ? Check::kFull : Check::kQuick;
  options.dry_run = arguments.dry_run;
  ProgressPrinter printer(stderr);
  if (arguments.progress) {
    options.on_progress = [&printer](const BaselineProgress& progress) { printer.show(progress); };
  }
  give_output_a_buffer();
  const Interruption interruption;
  options.interrupted = &interruption.noted();
  const auto report = (*pair)->sync(std::move(options));
  if (!report && report.error().code == ECANCELED) {
    return complain(
        "sync: interrupted; every file that was copied is whole, run it again to finish");
  }
  if (!report) return complain("sync: " + report.error().message());
  if (arguments.json) {
    std::puts(control::to_line(sync_json(*report)).c_str());
  } else {
    std::fputs(human_sync(*report, arguments.dry_run, arguments.stats).c_str(), stdout);
  }
  std::fputs(sync_failures(*report).c_str(), stderr);
  if (std::fflush(stdout) != 0) return kExitFailed;
  return report->failures.empty() ? kExitYes : kExitNo;
}

}  // namespace mirrorfs::ctl
