#include "faults.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::simulation {
namespace {

constexpr std::size_t kOutOf = 10'000;

/// Attributes that a filesystem does not take: a kind of error of its own.
bool sets_attribute(Call call) {
  switch (call) {
    case Call::kSetXattr:
    case Call::kRemoveXattr:
    case Call::kChown:
    case Call::kChmod:
    case Call::kSetTimes: return true;
    default: return false;
  }
}

bool takes_space(Call call) {
  switch (call) {
    case Call::kWrite:
    case Call::kMkdir:
    case Call::kMknod:
    case Call::kSymlink:
    case Call::kLink:
    case Call::kRename:
    case Call::kAllocate:
    case Call::kOpen: return true;
    default: return false;
  }
}

bool makes_a_name(Call call) {
  return call == Call::kMkdir || call == Call::kMknod || call == Call::kSymlink ||
         call == Call::kLink || call == Call::kRename;
}

}  // namespace

Faults::Faults(const Plan& plan, Identity& identity, const Playground& playground, int replica_root,
               Trace& trace)
    : plan_(plan.faults),
      identity_(identity),
      replica_(playground.replica()),
      state_(playground.state()),
      trace_(trace),
      random_(mixed(plan.schedule, 3)) {
  if (plan_.write_backs != 0) write_back_.emplace(replica_root);
}

void Faults::refuse_name(std::optional<unsigned> number) {
  refused_name_ = number ? "n" + std::to_string(*number) : std::string();
  if (number) trace_.say("fault   from now on the replica refuses the name {}", refused_name_);
}

bool Faults::look_fails() {
  if (!on_ || plan_.looks == 0 || !random_.chance(plan_.looks, kOutOf)) return false;
  trace_.say("fault   a look at the source fails");
  return true;
}

std::optional<unsigned> Faults::allocation_fails() {
  if (!on_ || plan_.allocations == 0 || !random_.chance(plan_.allocations, kOutOf)) {
    return std::nullopt;
  }
  trace_.say("fault   no memory while recording");
  return static_cast<unsigned>(random_.below(4));
}

bool Faults::waiter_is_killed() { return on_ && random_.chance(plan_.kills, kOutOf); }

void Faults::after(Call call, int fd) {
  const CallScope own(nullptr);
  if (call == Call::kSyncFilesystem && synced_) synced_();
  if (call == Call::kSync && file_synced_) file_synced_(fd);
  if (plan_.closes != 0) note_unsynced(call, fd);
  if (!write_back_) return;
  if (call == Call::kSyncFilesystem) write_back_->succeeded();
  if (call == Call::kSync) write_back_->succeeded(fd);
  if (call == Call::kDropCache) write_back_->drop_cache(fd);
  if (call == Call::kWrite || call == Call::kClone || call == Call::kTruncate) {
    write_back_->written(fd);
  }
}

void Faults::note_unsynced(Call call, int fd) {
  if (call == Call::kSyncFilesystem) return unsynced_.clear();
  struct stat status{};
  if (::fstat(fd, &status) != 0) return;
  if (call == Call::kSync) unsynced_.erase(status.st_ino);
  if (call == Call::kWrite || call == Call::kClone) unsynced_.insert(status.st_ino);
}

/// Whether the descriptor is of something at or below `path`.
bool Faults::is_below(int fd, const std::string& path) {
  std::array<char, 512> target;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  if (size < 0) return false;
  return std::string_view(target.data(), static_cast<std::size_t>(size)).starts_with(path);
}

int Faults::draw_error(Call call) {
  static constexpr std::array kErrors = {EIO, EIO, ESTALE, ENOMEM};
  static constexpr std::array kSpace = {ENOSPC, EDQUOT, EIO};
  static constexpr std::array kAttributes = {EIO, EPERM, EOPNOTSUPP, EINVAL};
  if (call == Call::kOpen && random_.chance(1, 3)) return EMFILE;
  if (call == Call::kSync || call == Call::kSyncFilesystem) return EIO;
  if (sets_attribute(call)) return random_.one_of(kAttributes);
  return takes_space(call) ? random_.one_of(kSpace) : random_.one_of(kErrors);
}

/// A server that takes what was written and not synced at close(2) only, and refuses it then: the
/// file is as long as it was made, and empty.
bool Faults::loses_at_close(int fd) {
  if (plan_.closes == 0 || !random_.chance(plan_.closes, kOutOf)) return false;
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !unsynced_.contains(status.st_ino)) return false;
  const bool written = (::fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY &&
                       ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
  if (!written || !is_below(fd, replica_)) return false;
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const UniqueFd again(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const std::string nothing(static_cast<std::size_t>(status.st_size), '\0');
  const timespec times[2] = {status.st_atim, status.st_mtim};
  const bool lost = ::pwrite(again.get(), nothing.data(), nothing.size(), 0) > 0 &&
                    ::futimens(again.get(), times) == 0;
  if (lost) trace_.say("fault   close on the replica fails, and all that was written is lost");
  return lost;
}

int Faults::before(Call call, int fd, const char* name) {
  if (dead_) return call == Call::kClose ? 0 : EIO;
  if (call == Call::kClose) {
    const CallScope own(nullptr);
    return on_ && loses_at_close(fd) ? EIO : 0;
  }
  if (others_ && !preempting_ && random_.chance(1, 32)) {
    const CallScope own(nullptr);
    // The journal writes there, some of it under a lock that applications would wait for.
    if (is_below(fd, state_)) return 0;
    preempting_ = true;
    others_();
    preempting_ = false;
  }
  if (on_ && write_back_ && call == Call::kSyncFilesystem &&
      random_.chance(plan_.write_backs, kOutOf)) {
    const CallScope own(nullptr);
    trace_.say("fault   a write-back on the replica fails");
    write_back_->failed();
    return EIO;
  }
  if (on_ && makes_a_name(call) && refused_name_ == name) {
    const CallScope own(nullptr);
    if (is_below(fd, replica_)) return EIO;
  }
  if (!on_ || plan_.replica_calls == 0 || failed_ >= plan_.most) return 0;
  const bool hit = burst_ > 0 ? random_.chance(1, 2) : random_.chance(plan_.replica_calls, kOutOf);
  if (burst_ > 0) --burst_;
  const CallScope own(nullptr);
  if (!hit || fd < 0 || !is_below(fd, replica_)) return 0;
  const int error = draw_error(call);
  ++failed_;
  if (random_.chance(1, 4)) burst_ = static_cast<unsigned>(random_.between(1, 6));
  trace_.say("fault   {} '{}' on the replica fails: {}", name_of(call), name, error);
  return error;
}

std::size_t Faults::shortened(Call, int, std::size_t size) {
  if (!on_ || plan_.short_transfers == 0 || !random_.chance(plan_.short_transfers, kOutOf)) {
    return size;
  }
  return random_.between(1, size);
}

}  // namespace mirrorfs::simulation
