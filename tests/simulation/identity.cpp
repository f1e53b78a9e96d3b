#include "identity.h"

#include "simulated_time.h"

namespace mirrorfs::simulation {
namespace {

std::int64_t nanoseconds(const statx_timestamp& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

statx_timestamp now() {
  const timespec time = SimulatedTime::on(CLOCK_REALTIME);
  statx_timestamp stamp{};
  stamp.tv_sec = time.tv_sec;
  stamp.tv_nsec = static_cast<std::uint32_t>(time.tv_nsec);
  return stamp;
}

}  // namespace

void Identity::adjust(struct statx& found) {
  const std::uint64_t device = std::uint64_t{found.stx_dev_major} << 32 | found.stx_dev_minor;
  Known& known = known_[{device, found.stx_ino, nanoseconds(found.stx_btime)}];
  if (known.number == 0) {
    known.number = known_.size();
    known.birth = now();
  }
  const std::int64_t ctime = nanoseconds(found.stx_ctime);
  if (known.real_ctime_ns != ctime) {
    known.real_ctime_ns = ctime;
    known.ctime = now();
  }
  found.stx_ino = known.number;
  found.stx_btime = known.birth;
  found.stx_ctime = known.ctime;
  found.stx_dev_major = 7;
  found.stx_dev_minor = 7;
}

}  // namespace mirrorfs::simulation
