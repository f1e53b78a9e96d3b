#include "engine/journal/sync_history.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/journal/json_text.h"
#include "engine/journal/small_file.h"

namespace mirrorfs::journal {
namespace {

constexpr int kVersion = 1;
constexpr const char* kFileName = "synced";

// Two readings of two clocks differ by less than this unless one was set in between.
constexpr std::int64_t kClockTolerance = 1'000'000;  // ns

constexpr unsigned kStatxUniqueMount = 0x4000;  // STATX_MNT_ID_UNIQUE, in linux/stat.h since 6.8

/// Files may be stamped by CLOCK_REALTIME too, which is ahead of the other by up to two ticks. For
/// 20 ms at most: the clock may be set meanwhile.
void let_own_changes_pass() {
  timespec last{};
  ::clock_gettime(CLOCK_REALTIME, &last);
  for (int look = 0; look < 100 && !is_before(last, SyncHistory::clock()); ++look) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

std::int64_t nanoseconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// The closest of a few readings: the thread may lose its processor between the two clocks.
std::int64_t realtime_offset() {
  std::int64_t offset = 0;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (int look = 0; look < 5; ++look) {
    const std::int64_t before = nanoseconds(CLOCK_BOOTTIME);
    const std::int64_t real = nanoseconds(CLOCK_REALTIME);
    const std::int64_t took = nanoseconds(CLOCK_BOOTTIME) - before;
    if (took >= least) continue;
    least = took;
    offset = real - before;
  }
  return offset;
}

/// Whether every change of an object shows in its ctime, and a tree cannot be exchanged for an
/// older state of it under the same mount, as a snapshot of btrfs or ZFS can.
bool tells_of_changes(int fd) {
  constexpr std::array<std::uint32_t, 3> kKnown = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, TMPFS_MAGIC};
  struct statfs filesystem{};
  if (::fstatfs(fd, &filesystem) != 0) return false;
  return std::ranges::find(kKnown, static_cast<std::uint32_t>(filesystem.f_type)) != kKnown.end();
}

std::optional<std::uint64_t> unique_mount(int fd) {
  struct statx raw{};
  if (::statx(fd, "", AT_EMPTY_PATH, kStatxUniqueMount, &raw) != 0) return std::nullopt;
  if ((raw.stx_mask & kStatxUniqueMount) == 0) return std::nullopt;
  return raw.stx_mnt_id;
}

std::optional<std::string> boot_id() {
  const UniqueFd directory(::open("/proc/sys/kernel/random", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return std::nullopt;
  Result<std::optional<std::string>> id = read_small_file(directory.get(), "boot_id");
  if (!id || !*id || (*id)->empty()) return std::nullopt;
  return std::move(**id);
}

std::optional<std::uint64_t> user_namespace() {
  struct stat status{};
  if (::stat("/proc/self/ns/user", &status) != 0) return std::nullopt;
  return status.st_ino;
}

/// What others were about to change when the sync began may show an older ctime than that.
timespec with_margin(timespec time) {
  constexpr long kMargin = 100'000'000;  // ns
  if (time.tv_nsec < kMargin) {
    time.tv_sec -= 1;
    time.tv_nsec += 1'000'000'000;
  }
  time.tv_nsec -= kMargin;
  return time;
}

nlohmann::json to_json(const timespec& time) { return {time.tv_sec, time.tv_nsec}; }

/// What it left out was not looked at.
nlohmann::json excluded(const Pairing& pairing) {
  nlohmann::json list = nlohmann::json::array();
  for (const std::string& pattern : pairing.record().exclude) list.push_back(path_text(pattern));
  return list;
}

timespec to_time(const nlohmann::json& json) {
  return {.tv_sec = json.at(0).get<time_t>(), .tv_nsec = json.at(1).get<long>()};
}

}  // namespace

bool SyncHistory::Circumstances::allow(const Circumstances& then) const {
  return boot == then.boot && std::abs(clock_offset - then.clock_offset) < kClockTolerance &&
         source_mount == then.source_mount && replica_mount == then.replica_mount &&
         user_namespace == then.user_namespace && (then.trusted_xattrs || !trusted_xattrs);
}

std::optional<SyncHistory::Circumstances> SyncHistory::now(const TreeRoot& source,
                                                           const TreeRoot& replica) {
  if (!tells_of_changes(source.fd.get()) || !tells_of_changes(replica.fd.get())) {
    return std::nullopt;
  }
  const std::optional<std::string> boot = boot_id();
  const std::optional<std::uint64_t> source_mount = unique_mount(source.fd.get());
  const std::optional<std::uint64_t> replica_mount = unique_mount(replica.fd.get());
  const std::optional<std::uint64_t> users = user_namespace();
  if (!boot || !source_mount || !replica_mount || !users) return std::nullopt;
  return Circumstances{.boot = *boot,
                       .clock_offset = realtime_offset(),
                       .source_mount = *source_mount,
                       .replica_mount = *replica_mount,
                       .user_namespace = *users};
}

timespec SyncHistory::clock() {
  timespec now{};
  // Files are stamped by this one, or by a finer one that is never behind it.
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

SyncHistory::SyncHistory(const timespec& began, const TreeRoot& source, const TreeRoot& replica,
                         bool trusted_xattrs)
    : circumstances_(now(source, replica)),
      mounts_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)),
      began_(with_margin(began)) {
  if (circumstances_) circumstances_->trusted_xattrs = trusted_xattrs;
}

std::optional<UnchangedSince> SyncHistory::unchanged_since(const Pairing& pairing) const {
  if (!circumstances_) return std::nullopt;
  const Result<std::optional<std::string>> content =
      read_small_file(pairing.reserved_directory(), kFileName);
  if (!content || !*content) return std::nullopt;
  try {
    const auto json = nlohmann::json::parse(**content);
    if (json.at("version").get<int>() != kVersion) return std::nullopt;
    if (json.at("pair_id").get<std::string>() != pairing.id()) return std::nullopt;
    const Circumstances then = {
        .boot = json.at("boot").get<std::string>(),
        .clock_offset = json.at("clock_offset").get<std::int64_t>(),
        .source_mount = json.at("source_mount").get<std::uint64_t>(),
        .replica_mount = json.at("replica_mount").get<std::uint64_t>(),
        .user_namespace = json.at("user_namespace").get<std::uint64_t>(),
        .trusted_xattrs = json.at("trusted_xattrs").get<bool>(),
    };
    if (!circumstances_->allow(then)) return std::nullopt;
    if (json.value("exclude", nlohmann::json::array()) != excluded(pairing)) return std::nullopt;
    return UnchangedSince{.source = to_time(json.at("source_before")),
                          .replica = to_time(json.at("replica_before"))};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // torn by a crash, so it is of another boot anyway
  }
}

/// proc(5): the file is ready when a mount came or went since it was opened.
bool SyncHistory::mounts_have_changed() const {
  pollfd look{.fd = mounts_.get(), .events = POLLPRI, .revents = 0};
  return !mounts_ || ::poll(&look, 1, 0) != 0;
}

Result<void> SyncHistory::record(const Pairing& pairing, bool pass_own_changes) const {
  if (!circumstances_) return {};
  if (mounts_have_changed()) return {};
  if (pass_own_changes) let_own_changes_pass();
  const nlohmann::json json = {{"version", kVersion},
                               {"pair_id", pairing.id()},
                               {"boot", circumstances_->boot},
                               {"clock_offset", circumstances_->clock_offset},
                               {"source_mount", circumstances_->source_mount},
                               {"replica_mount", circumstances_->replica_mount},
                               {"user_namespace", circumstances_->user_namespace},
                               {"trusted_xattrs", circumstances_->trusted_xattrs},
                               {"exclude", excluded(pairing)},
                               {"source_before", to_json(began_)},
                               {"replica_before", to_json(clock())}};
  return replace_small_file(pairing.reserved_directory(), kFileName, json.dump() + "\n",
                            Synced::kNo);
}

}  // namespace mirrorfs::journal
