#include "fs/ctl/mount_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "fs/control/client.h"
#include "fs/control/fstab.h"
#include "fs/control/mount_record.h"
#include "fs/control/mount_table.h"
#include "fs/control/names_json.h"
#include "mirrorfs/pairs.h"

namespace mirrorfs::ctl {
namespace {

namespace stdfs = std::filesystem;
using nlohmann::json;
using namespace std::chrono_literals;

constexpr auto kPatience = 3s;
constexpr auto kMountPatience = 2s;

std::string in_words(std::time_t time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(time));
}

/// realpath(3) only reads links: nothing is asked of what hangs.
std::string canonical_path(const stdfs::path& path) {
  const std::size_t end = path.native().find_last_not_of('/');
  const stdfs::path plain = path.native().substr(0, end == std::string::npos ? 1 : end + 1);
  std::error_code error;
  const stdfs::path result = stdfs::canonical(plain, error);
  return error ? stdfs::absolute(plain, error).lexically_normal().native() : result.native();
}

/// 0, errno, or ETIMEDOUT: the mount itself is asked, as an application would.
int ask_mount(const std::string& mount) {
  auto answer = std::make_shared<std::promise<int>>();
  auto result = answer->get_future();
  std::thread([answer, mount] {
    struct statfs status{};
    answer->set_value(statfs(mount.c_str(), &status) == 0 ? 0 : errno);
  }).detach();
  return result.wait_for(kMountPatience) == std::future_status::ready ? result.get() : ETIMEDOUT;
}

MountReport not_served(const std::string& mount, Presence presence, std::string detail) {
  return {.mount = mount, .presence = presence, .detail = std::move(detail), .status = json()};
}

/// The caller's mount table has no mirrorfs at its place.
void explain_absence(MountReport& report, const std::string& here) {
  const auto covered = control::find_mount_in(here, report.mount);
  const auto there = control::mountinfo_of(report.status.value("pid", 0));
  const auto is_it = [&report](const auto& entry) { return entry.mount_point == report.mount; };
  if (std::ranges::any_of(control::mirrors_in(here), is_it)) {
    report.presence = Presence::kDetached;
    report.detail = fmt::format("hidden by another mount over it ({})", covered->type);
  } else if (std::ranges::any_of(control::mirrors_in(there), is_it)) {
    report.presence = Presence::kElsewhere;
    report.detail = "mounted in another mount namespace, not in this one";
  } else {
    report.presence = Presence::kDetached;
    report.detail =
        "detached (umount -l): only files that were open still go through it; mount it again";
  }
}

/// `here`: the caller's mountinfo.
MountReport judge_answer(json status, const std::string& here) {
  MountReport report{.mount = control::name_from(status, "mount"),
                     .presence = Presence::kServed,
                     .detail = {},
                     .status = std::move(status)};
  if (report.status.value("stopping", false)) {
    report.presence = Presence::kDraining;
    report.detail = "unmounted, and finishing";
    return report;
  }
  const auto entry = control::find_mount_in(here, report.mount);
  if (!entry || !entry->is_mirrorfs()) {
    explain_absence(report, here);
    return report;
  }
  const int code = ask_mount(report.mount);
  if (code == ETIMEDOUT || code == ENOTCONN || code == EIO) {
    report.presence = Presence::kHung;
    report.detail =
        fmt::format("the mount does not answer: {}", std::generic_category().message(code));
  }
  return report;
}

MountReport ask(control::Client& client, const std::string& mount, const std::string& here) {
  auto answer = client.ask({{"request", "status"}}, kPatience);
  if (!answer) return not_served(mount, Presence::kHung, answer.error());
  return judge_answer(json::parse(answer->body).value("status", json::object()), here);
}

std::string after(const control::MountRecord& record) {
  const std::string time = in_words(record.time);
  if (record.state == "complete") {
    return fmt::format("it was unmounted at {}, and '{}' is complete", time, record.replica);
  }
  if (record.state == "incomplete") {
    return fmt::format("it was unmounted at {}, and '{}' is not complete: {}", time, record.replica,
                       record.cause);
  }
  return fmt::format("its daemon has died since it was mounted at {}: '{}' may not be complete",
                     time, record.replica);
}

/// No daemon can be asked about this mount point.
MountReport without_daemon(const std::string& mount, const std::string& here) {
  const auto entry = control::find_mount_in(here, mount);
  if (entry && entry->is_mirrorfs()) {
    if (entry->owner != geteuid() && geteuid() != 0) {
      return not_served(
          mount, Presence::kHung,
          fmt::format("mounted by another user (uid {}), who alone may ask, with root",
                      entry->owner));
    }
    return not_served(mount, Presence::kDead,
                      "mounted, but its daemon is gone; unmount it and mount it again");
  }
  const auto record = control::read_mount_record(mount);
  if (!record)
    return not_served(mount, Presence::kAbsent, "not mounted, nor was it since the boot");
  return not_served(mount, record->state == "mounted" ? Presence::kDead : Presence::kAbsent,
                    "not mounted; " + after(*record));
}

using Reports = std::map<std::string, MountReport>;

/// Several at once, so that many that hang take no longer than one.
void add_daemons(Reports& reports, const std::string& here) {
  std::vector<std::future<MountReport>> answers;
  for (auto& named : control::connect_to_all()) {
    auto shared = std::make_shared<control::NamedClient>(std::move(named));
    answers.push_back(std::async(
        std::launch::async, [shared, here] { return ask(shared->client, shared->mount, here); }));
  }
  for (auto& answer : answers) {
    MountReport report = answer.get();
    reports.insert_or_assign(report.mount, std::move(report));
  }
}

void add_dead_mounts(Reports& reports, const std::string& here) {
  for (const auto& entry : control::mirrors_in(here)) {
    const bool ours = entry.owner == geteuid() || geteuid() == 0;
    if (!ours || reports.contains(entry.mount_point)) continue;
    reports.insert_or_assign(entry.mount_point, without_daemon(entry.mount_point, here));
  }
  for (const control::MountRecord& record : control::all_mount_records()) {
    if (record.state != "mounted" || reports.contains(record.mount)) continue;
    reports.insert_or_assign(record.mount, without_daemon(record.mount, here));
  }
}

void add_fstab(Reports& reports, const std::string& here) {
  for (const auto& line : control::mirrors_in_fstab()) {
    const std::string mount = canonical_path(line.mount_point);
    if (reports.contains(mount)) continue;
    MountReport report = without_daemon(mount, here);
    report.detail = "fstab asks for it: " + report.detail;
    reports.insert_or_assign(mount, std::move(report));
  }
}

/// After a boot nothing else tells of a mirror that was killed with the machine.
void add_pairs(Reports& reports) {
  const auto pairs = known_pair_statuses();
  if (!pairs) return;
  std::set<std::string> mentioned;
  for (const auto& [mount, report] : reports) {
    mentioned.insert(control::name_from(report.status, "replica"));
    if (const auto record = control::read_mount_record(mount)) mentioned.insert(record->replica);
  }
  for (const PairStatus& pair : *pairs) {
    const bool under_way = pair.last_session.tv_sec != 0 && !pair.last_session_ended;
    if (pair.is_source || !under_way || mentioned.contains(pair.tree)) continue;
    reports.insert_or_assign(
        pair.tree, not_served(pair.tree, Presence::kDead,
                              fmt::format("the mirror of '{}' that began at {} has not ended, and "
                                          "no daemon serves it",
                                          pair.peer, in_words(pair.last_session.tv_sec))));
  }
}

}  // namespace

std::string_view to_string(Presence presence) {
  switch (presence) {
    case Presence::kServed: return "served";
    case Presence::kDraining: return "draining";
    case Presence::kDetached: return "detached";
    case Presence::kElsewhere: return "elsewhere";
    case Presence::kHung: return "hung";
    case Presence::kDead: return "dead";
    case Presence::kAbsent: return "absent";
  }
  return "unknown";
}

MountReport report_of(const stdfs::path& mount) {
  const std::string path = canonical_path(mount);
  const std::string here = control::own_mountinfo();
  auto client = control::connect_to_mount(path);
  if (!client) return without_daemon(path, here);
  return ask(*client, path, here);
}

std::vector<MountReport> expected_mounts() {
  const std::string here = control::own_mountinfo();
  Reports reports;
  add_daemons(reports, here);
  add_dead_mounts(reports, here);
  add_fstab(reports, here);
  add_pairs(reports);
  std::vector<MountReport> list;
  for (auto& [mount, report] : reports) list.push_back(std::move(report));
  return list;
}

}  // namespace mirrorfs::ctl
