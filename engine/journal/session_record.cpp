#include "engine/journal/session_record.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/journal/boot.h"
#include "engine/journal/json_text.h"
#include "engine/journal/known_pairs.h"
#include "engine/journal/small_file.h"
#include "mirrorfs/log.h"

namespace mirrorfs::journal {
namespace {

StartUp<std::filesystem::path> default_directory() {
  if (const char* asked = std::getenv("MIRRORFS_STATE_DIR"); asked != nullptr && *asked == '/') {
    return asked;
  }
  if (::geteuid() == 0) return "/var/lib/mirrorfs";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "mirrorfs";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".local/state/mirrorfs";
  }
  return std::unexpected(
      "no place to keep state: neither HOME nor XDG_STATE_HOME is set; give "
      "--state-dir");
}

// How often signs of life are written, and how much later what was under way then may show.
constexpr long kLifeInterval = 20'000'000;  // ns
constexpr long kLifeSlack = 100'000'000;    // ns
/// How often they go to the disk: what a power cut leaves is as old.
constexpr long kLifeWrittenBack = 500'000'000;  // ns

/// Of ID.life, as it is on the disk.
struct SignOfLife {
  timespec last{};
  std::array<char, 40> boot{};  ///< boot_id(), ended by a null
};

timespec later(timespec time, long nanoseconds) {
  time.tv_nsec += nanoseconds;
  if (time.tv_nsec >= 1'000'000'000) {
    time.tv_nsec -= 1'000'000'000;
    ++time.tv_sec;
  }
  return time;
}

/// Whether the root's ctime stays what it was when the filesystem is mounted again.
bool keeps_ctimes(int fd) {
  constexpr std::array<std::uint32_t, 5> kKnown = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, TMPFS_MAGIC,
                                                   BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC};
  struct statfs filesystem{};
  if (::fstatfs(fd, &filesystem) != 0) return false;
  return std::ranges::find(kKnown, static_cast<std::uint32_t>(filesystem.f_type)) != kKnown.end();
}

/// Gives the root a ctime of now and changes nothing else (chown(2) with -1, -1), durably. Returns
/// it; 0 where it cannot be, as on a source mounted read-only.
timespec touch(int root) {
  if (!keeps_ctimes(root)) return {};
  constexpr auto kSame = static_cast<uid_t>(-1);
  if (::fchown(root, kSame, static_cast<gid_t>(kSame)) != 0) return {};
  struct stat status{};
  if (::fsync(root) != 0 || ::fstat(root, &status) != 0) return {};
  return status.st_ctim;
}

}  // namespace

StartUp<std::filesystem::path> StateDirectory::choose(const std::filesystem::path& asked) {
  if (!asked.empty()) return asked;
  return default_directory();
}

StartUp<StateDirectory> StateDirectory::open(const std::filesystem::path& directory) {
  StateDirectory opened{.path = directory, .fd = {}};
  std::error_code ignored;  // the open tells what is wrong
  std::filesystem::create_directories(opened.path, ignored);
  opened.fd = UniqueFd(::open(opened.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.fd) {
    return std::unexpected(fmt::format("state directory {}: {}: give another with --state-dir",
                                       opened.path.string(), std::strerror(errno)));
  }
  if (::faccessat(opened.fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return std::unexpected(
        fmt::format("state directory {} cannot be written: {}: give another "
                    "with --state-dir",
                    opened.path.string(), std::strerror(errno)));
  }
  return opened;
}

StartUp<SessionRecord> SessionRecord::open(StateDirectory directory, const Pairing& pairing,
                                           int source_root) {
  SessionRecord record;
  record.directory_ = std::move(directory.fd);
  record.pair_ = pairing.record();
  record.file_name_ = pairing.id() + ".session";
  record.reserved_ = UniqueFd(::fcntl(pairing.reserved_directory(), F_DUPFD_CLOEXEC, 0));
  if (pairing.mounts()) {
    record.source_root_ = UniqueFd(::fcntl(source_root, F_DUPFD_CLOEXEC, 0));
  }
  if (!record.reserved_ || (pairing.mounts() && !record.source_root_)) {
    return std::unexpected(fmt::format("no descriptors: {}", std::strerror(errno)));
  }
  auto content = read_small_file(record.directory_.get(), record.file_name_.c_str());
  if (!content) {
    return std::unexpected(
        fmt::format("state directory {}: {}", directory.path.string(), content.error().message()));
  }
  auto last_user = read_small_file(record.reserved_.get(), kReplicaFile);
  if (!last_user) {
    return std::unexpected(
        fmt::format("the replica's record of its last session: {}", last_user.error().message()));
  }
  const SessionNote& last = record.pair_.session;
  if (!last.nonce.empty() && pairing.was_paired()) record.foreign_since_ = last.time;
  if (pairing.kind() == Ruling::Kind::kTurned) {
    // The replica was the source of that session: what it changed since may never have got over.
    record.foreign_since_ = last.source_since;
    record.pair_.foreign.clear();
    return record;
  }
  if (!*content || !pairing.was_paired() || !pairing.same_replica()) return record;
  record.believe(**content, last_user->value_or(""));
  return record;
}

/// What the state directory says of the last session, if it is the one that the replica knows.
void SessionRecord::believe(const std::string& text, const std::string& nonce_there) {
  BootClock then;
  try {
    const auto json = nlohmann::json::parse(text);
    unclean_since_ = {.tv_sec = json.at("since_seconds").get<time_t>(),
                      .tv_nsec = json.at("since_nanoseconds").get<long>()};
    nonce_ = json.value("nonce", std::string());
    clean_ = json.at("clean").get<bool>();
    ended_ = {.tv_sec = json.value("ended_seconds", time_t{}),
              .tv_nsec = json.value("ended_nanoseconds", 0L)};
    then = {.boot = json.value("boot", ""), .offset = json.value("offset", std::int64_t{0})};
  } catch (const nlohmann::json::exception& parse_error) {
    log_warn("the session record of this pair cannot be read ({}): everything is compared",
             parse_error.what());
    return forget();
  }
  if (nonce_.empty() || nonce_there != nonce_) {
    log_warn("{}: comparing both trees",
             nonce_there.empty()
                 ? "the replica does not confirm what is recorded here of the last session"
                 : "the replica was used with another state directory since the last session "
                   "recorded here");
    return forget();
  }
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const timespec& latest = clean_ ? ended_ : unclean_since_;
  if (clock_.again().was_set_back_since(then) || is_before(now, latest)) {
    log_warn("the clock was set back since the last session began: everything is compared");
    if (foreign_since_) foreign_since_ = timespec{};
    return forget();
  }
  const auto life = last_sign_of_life(directory_.get(), pair_);
  if (!clean_ && life && foreign_since_) foreign_since_ = *life;
}

void SessionRecord::forget() {
  unclean_since_ = ended_ = {};
  clean_ = false;
  nonce_.clear();
}

std::vector<Window> SessionRecord::foreign_until(timespec now) const {
  std::vector<Window> windows = pair_.foreign;
  if (foreign_since_) windows.push_back({*foreign_since_, now});
  return windows;
}

Result<void> SessionRecord::begin(timespec now) {
  if (clean_) unclean_since_ = now;
  clean_ = false;
  nonce_ = random_id();
  pair_.session.nonce = nonce_;
  pair_.session.source_since = unclean_since_;
  // First here: should this process die in between, the old nonce there is nobody's.
  if (auto written = write(false); !written) return written;
  if (auto told = replace_small_file(reserved_.get(), kReplicaFile, nonce_); !told) {
    log_warn("the replica does not take the record of this session: {}", told.error().message());
    ::unlinkat(reserved_.get(), kReplicaFile, 0);  // no nonce is nobody's
  }
  if (auto written = write_pair(false); !written) {
    log_warn("the pair's record on the replica: {}", written.error().message());
  }
  open_life();
  return {};
}

void SessionRecord::note_walk() {
  pair_.foreign.clear();
  compared_ = compared_ || !pair_.exclude_before.empty();
  pair_.exclude_before.clear();
}

/// Where nobody else keeps up the pair's record.
Result<void> SessionRecord::write_compared() const {
  if (!compared_ || source_root_) return {};
  const auto text = read_small_file(reserved_.get(), "pair");
  if (!text || !*text) return fail(EIO, "read", "pair");
  auto record = pair_record_from(**text);
  if (!record) return fail(EINVAL, "parse", "pair");
  record->exclude_before.clear();
  return replace_small_file(reserved_.get(), "pair", to_text(*record));
}

Result<void> SessionRecord::end_clean(timespec now) {
  ended_ = now;
  pair_.session.source_since = now;
  if (auto written = write_pair(true); !written) return written;
  if (auto written = write_compared(); !written) return written;
  if (auto written = write(true); !written || !disowned_) return written;
  return replace_small_file(reserved_.get(), kReplicaFile, nonce_);
}

Result<void> SessionRecord::write(bool clean) const {
  const BootClock clock = clock_.again();
  const nlohmann::json json = {{"version", 2},
                               {"pair_id", pair_.pair_id},
                               {"nonce", nonce_},
                               {"clean", clean},
                               {"since_seconds", unclean_since_.tv_sec},
                               {"since_nanoseconds", unclean_since_.tv_nsec},
                               {"ended_seconds", ended_.tv_sec},
                               {"ended_nanoseconds", ended_.tv_nsec},
                               {"boot", clock.boot},
                               {"offset", clock.offset}};
  return replace_small_file(directory_.get(), file_name_, json.dump(2) + "\n");
}

/// The pair's record, on the replica and beside the session's.
Result<void> SessionRecord::write_pair(bool ended) {
  if (!source_root_) return {};
  const auto time = clock_past(reserved_.get());
  if (!time) return std::unexpected(time.error());
  if (!ended) pair_.foreign = foreign_until(*time);
  pair_.session.ended = ended;
  pair_.session.time = *time;
  pair_.session.host = host_name();
  pair_.peer_ctime = touch(source_root_.get());
  if (auto written = replace_small_file(reserved_.get(), "pair", to_text(pair_)); !written) {
    return written;
  }
  return remember_pair(directory_.get(), pair_);
}

void SessionRecord::open_life() {
  if (!source_root_) return;
  const std::string name = pair_.pair_id + ".life";
  life_ = UniqueFd(
      ::openat(directory_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  last_life_ = life_written_back_ = {};
  SignOfLife none;
  boot_id().copy(none.boot.data(), none.boot.size() - 1);
  static_cast<void>(::pwrite(life_.get(), &none, sizeof none, 0) == sizeof none);
  note_life();
}

void SessionRecord::note_life() {
  if (!life_) return;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);  // the coarse clock may be behind the files' ctimes
  if (is_before(now, last_life_)) {
    log_warn(
        "the clock was set back: the next start compares everything unless this session ends "
        "cleanly");
    unclean_since_ = {};
    if (auto written = write(false); !written) log_error("{}", written.error().message());
  } else if (is_before(now, later(last_life_, kLifeInterval))) {
    return;
  }
  last_life_ = now;
  // A failure costs precision: more is taken for somebody else's.
  static_cast<void>(::pwrite(life_.get(), &now, sizeof now, 0) == sizeof now);
  if (is_before(now, later(life_written_back_, kLifeWrittenBack))) return;
  life_written_back_ = now;
  // Begins to write and does not wait; the kernel alone would after half a minute.
  static_cast<void>(::sync_file_range(life_.get(), 0, 0, SYNC_FILE_RANGE_WRITE));
}

std::optional<timespec> last_sign_of_life(int state_directory, const PairRecord& record) {
  const std::string name = record.pair_id + ".life";
  const UniqueFd file(::openat(state_directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  SignOfLife sign;
  if (!file || ::pread(file.get(), &sign, sizeof sign, 0) != sizeof sign) return std::nullopt;
  if (is_before(sign.last, record.session.time)) return std::nullopt;  // of an earlier session
  const bool same_boot = boot_id() == sign.boot.data();
  const timespec last = later(sign.last, kLifeInterval + kLifeSlack);
  return same_boot ? last : later(last, kLifeWrittenBack);
}

std::vector<Window> foreign_windows(const Pairing& pairing, int state_directory, timespec now) {
  const SessionNote& last = pairing.record().session;
  if (last.nonce.empty()) return {};
  if (pairing.kind() == Ruling::Kind::kTurned) return {{last.source_since, now}};
  std::vector<Window> windows = pairing.record().foreign;
  timespec since = last.time;
  if (!last.ended && state_directory >= 0) {
    since = last_sign_of_life(state_directory, pairing.record()).value_or(since);
  }
  // The clock was set back: ctimes say nothing.
  windows.push_back({is_before(now, last.time) ? timespec{} : since, now});
  return windows;
}

StartUp<void> note_sync(const Pairing& pairing, int state_directory, timespec began) {
  const auto time = clock_past(pairing.reserved_directory());
  if (!time) return std::unexpected(time.error().message());
  PairRecord record = pairing.record();
  record.foreign.clear();
  record.exclude_before.clear();
  record.session = {.nonce = random_id(),
                    .ended = true,
                    .time = *time,
                    .source_since = began,
                    .host = host_name()};
  if (auto written = write_pair_record(pairing.reserved_directory(), record); !written) {
    return written;
  }
  if (state_directory < 0) return {};
  if (auto noted = remember_pair(state_directory, record); !noted) {
    return std::unexpected(noted.error().message());
  }
  return {};
}

}  // namespace mirrorfs::journal
