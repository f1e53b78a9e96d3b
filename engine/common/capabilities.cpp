#include "mirrorfs/capabilities.h"

#include <sys/stat.h>

#include "mirrorfs/metadata.h"

namespace mirrorfs {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

/// Whether they are less than `distance` ns apart. No overflow, whatever the seconds.
bool are_close(const timespec& a, const timespec& b, std::int64_t distance) {
  const timespec& first = is_before(a, b) ? a : b;
  const timespec& second = is_before(a, b) ? b : a;
  const auto seconds =
      static_cast<std::uint64_t>(second.tv_sec) - static_cast<std::uint64_t>(first.tv_sec);
  if (seconds > static_cast<std::uint64_t>(distance / kSecond) + 1) return false;
  return static_cast<std::int64_t>(seconds) * kSecond + second.tv_nsec - first.tv_nsec < distance;
}

}  // namespace

bool TimeForm::holds(const timespec& time) const {
  if (!settable || time.tv_sec < earliest || time.tv_sec > latest) return false;
  const std::int64_t seconds = granularity / kSecond;
  if (seconds > 1 && time.tv_sec % seconds != 0) return false;
  return time.tv_nsec % (seconds > 0 ? kSecond : granularity) == 0;
}

bool TimeForm::may_become(const timespec& meant, const timespec& stored) const {
  if (!settable) return !is_before(stored, meant);
  if (meant.tv_sec < earliest) return !clamps || stored.tv_sec == earliest;
  if (meant.tv_sec > latest) return !clamps || stored.tv_sec == latest;
  return are_close(meant, stored, granularity);
}

Losses Capabilities::losses() const {
  Losses lost;
  if (!owners || (symlinks && !symlink_owners)) lost.add(Loss::kOwner);
  if (!modes) lost.add(Loss::kMode);
  if (!user_xattrs || !trusted_xattrs || !security_xattrs || !file_capabilities) {
    lost.add(Loss::kXattr);
  }
  if (!acls) lost.add(Loss::kAcl);
  const bool all_times = times.settable && (symlink_times || !symlinks);
  if (!all_times || times.granularity > 1) lost.add(Loss::kTimes);
  if (!links) lost.add(Loss::kLinks);
  if (!symlinks || !fifos || !sockets || !devices) lost.add(Loss::kSpecial);
  return lost;
}

bool Fidelity::leaves_out_type(unsigned mode) const {
  switch (mode & S_IFMT) {
    case S_IFLNK: return accepts(Loss::kSpecial, replica.symlinks);
    case S_IFIFO: return accepts(Loss::kSpecial, replica.fifos);
    case S_IFSOCK: return accepts(Loss::kSpecial, replica.sockets);
    case S_IFCHR:
    case S_IFBLK: return accepts(Loss::kSpecial, replica.devices);
    default: return false;
  }
}

bool Fidelity::leaves_out_owner(unsigned mode) const {
  return accepts(Loss::kOwner, replica.owners && (replica.symlink_owners || !S_ISLNK(mode)));
}

bool Fidelity::leaves_out_times(unsigned mode) const {
  return accepts(Loss::kTimes, replica.times.settable && (replica.symlink_times || !S_ISLNK(mode)));
}

bool Fidelity::accepts_time(unsigned mode, const timespec& meant, const timespec& stored) const {
  if (!tolerated.contains(Loss::kTimes)) return false;
  return leaves_out_times(mode) || replica.times.may_become(meant, stored);
}

}  // namespace mirrorfs
