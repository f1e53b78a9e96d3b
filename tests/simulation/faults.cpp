#include "faults.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace mirrorfs::simulation {
namespace {

constexpr std::size_t kOutOf = 10'000;

bool takes_space(Call call) {
  switch (call) {
    case Call::kWrite:
    case Call::kMkdir:
    case Call::kMknod:
    case Call::kSymlink:
    case Call::kLink:
    case Call::kRename:
    case Call::kAllocate:
    case Call::kSetXattr:
    case Call::kOpen: return true;
    default: return false;
  }
}

}  // namespace

Faults::Faults(const Plan& plan, Identity& identity, std::string replica, Trace& trace)
    : plan_(plan.faults),
      identity_(identity),
      replica_(std::move(replica)),
      trace_(trace),
      random_(mixed(plan.schedule, 3)) {}

bool Faults::look_fails() {
  if (!on_ || plan_.looks == 0 || !random_.chance(plan_.looks, kOutOf)) return false;
  trace_.say("fault   a look at the source fails");
  return true;
}

bool Faults::on_replica(int fd) const {
  std::array<char, 512> target;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  if (size < 0) return false;
  return std::string_view(target.data(), static_cast<std::size_t>(size)).starts_with(replica_);
}

int Faults::draw_error(Call call) {
  static constexpr std::array kErrors = {EIO, EIO, ESTALE, ENOMEM};
  static constexpr std::array kSpace = {ENOSPC, EDQUOT, EIO};
  if (call == Call::kOpen && random_.chance(1, 3)) return EMFILE;
  if (call == Call::kClose || call == Call::kSync || call == Call::kSyncFilesystem) return EIO;
  return takes_space(call) ? random_.one_of(kSpace) : random_.one_of(kErrors);
}

int Faults::before(Call call, int fd, const char* name) {
  if (dead_) return call == Call::kClose ? 0 : EIO;
  if (others_ && !preempting_ && random_.chance(1, 32)) {
    preempting_ = true;
    const CallScope own(nullptr);
    others_();
    preempting_ = false;
  }
  if (!on_ || plan_.replica_calls == 0 || failed_ >= plan_.most) return 0;
  const bool hit = burst_ > 0 ? random_.chance(1, 2) : random_.chance(plan_.replica_calls, kOutOf);
  if (burst_ > 0) --burst_;
  const CallScope own(nullptr);
  if (!hit || fd < 0 || !on_replica(fd)) return 0;
  if (call == Call::kClose && (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) return 0;
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
