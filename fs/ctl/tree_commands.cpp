#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

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

/// SRC and DST by path.
Answer<std::unique_ptr<TreePair>> open_pair(const Arguments& arguments, bool for_change) {
  return TreePair::open({.source = arguments.paths[0],
                         .replica = arguments.paths[1],
                         .for_change = for_change,
                         .adopt = arguments.adopt,
                         .max_delete = arguments.max_delete,
                         .tolerate = arguments.tolerate});
}

int print_verify(const Arguments& arguments, const VerifyReport& report,
                 const std::vector<std::string>& unsettled) {
  if (arguments.json) {
    json body = verify_json(report);
    body["unsettled"] = json::array();
    for (const std::string& path : unsettled) body["unsettled"].push_back(printable(path));
    std::puts(control::to_line(body).c_str());
  } else {
    std::fputs(human_verify(report, arguments.repair).c_str(), stdout);
    for (const std::string& path : unsettled) {
      std::fprintf(stderr, "mirrorctl: '%s' keeps changing: not compared\n",
                   printable(path).c_str());
    }
  }
  if (std::fflush(stdout) != 0) return kExitFailed;
  if (arguments.repair) return report.failures.empty() ? kExitYes : kExitNo;
  return report.identical() ? kExitYes : kExitNo;
}

void wait_for_queue(const std::filesystem::path& mount) {
  const auto status = status_of(mount);
  const std::string state = status ? status->value("state", "") : "";
  const bool hopeless = state == "paused" || state == "degraded";
  static_cast<void>(wait_until_durable(mount, hopeless ? kHopelessSeconds : kQueueSeconds));
}

int verify_mount(const Arguments& arguments) {
  const auto& mount = arguments.paths[0];
  if (arguments.repair) {
    return complain(
        "verify --repair: '" + mount.native() +
        "' is a running mount, which repairs itself; unmount it and mount it again with "
        "--check=full, or repair SRC DST while it is unmounted");
  }
  const auto trees = trees_of(mount);
  if (!trees) return complain(trees.error());
  const VerifyOptions options{.full = arguments.full};
  const LiveSteps steps{
      .wait = [&mount] { wait_for_queue(mount); },
      .verify = [&] { return verify_trees(trees->source.get(), trees->replica.get(), options); },
      .changed_since =
          [&trees](const std::string& path, timespec since) {
            return changed_in_tree(trees->source.get(), path, since);
          },
  };
  const auto report = verify_live(steps);
  if (!report) return complain("verify: " + report.error().message());
  return print_verify(arguments, report->verify, report->unsettled);
}

int verify_pair(const Arguments& arguments) {
  const auto pair = open_pair(arguments, arguments.repair);
  if (!pair) return complain(pair.error());
  const auto report = (*pair)->verify({.full = arguments.full, .repair = arguments.repair});
  if (!report) return complain("verify: " + report.error().message());
  return print_verify(arguments, *report, {});
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
