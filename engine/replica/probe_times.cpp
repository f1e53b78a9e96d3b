// Granularity and range of times of modification.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "engine/replica/probe_steps.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::replica {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
/// In every range, odd, and not round.
constexpr timespec kOrdinary{.tv_sec = 1'600'000'001, .tv_nsec = 123'456'789};
constexpr std::int64_t kEndOf9999 = 253'402'214'400;
constexpr std::int64_t kYear1 = -62'135'596'800;

/// What it became; nothing: it was refused.
std::optional<timespec> stored(int fd, const timespec& time) {
  const timespec times[2] = {time, time};
  struct stat status{};
  if (calls::change_times(fd, times) != 0 || ::fstat(fd, &status) != 0) return std::nullopt;
  return status.st_mtim;
}

/// The coarsest that it may be, by one value.
std::int64_t granularity_of(const timespec& stored) {
  constexpr std::array kCoarser = {10L,      100L,       1'000L,      10'000L,
                                   100'000L, 1'000'000L, 10'000'000L, 100'000'000L};
  if (stored.tv_nsec == 0) {
    if (stored.tv_sec % 86'400 == 0) return 86'400 * kSecond;
    return stored.tv_sec % 2 == 0 ? 2 * kSecond : kSecond;
  }
  std::int64_t granularity = 1;
  for (const long one : kCoarser) {
    if (stored.tv_nsec % one == 0) granularity = one;
  }
  return granularity;
}

class Range {
 public:
  Range(int fd, TimeForm& form) : fd_(fd), form_(form) {}

  /// The last second on the way from an ordinary one to `far` that is kept.
  std::int64_t end_towards(std::int64_t far) {
    const auto of_far = stored(fd_, {.tv_sec = far, .tv_nsec = 0});
    if (of_far && is_kept(far, of_far->tv_sec)) return far;
    const std::int64_t step = far > kOrdinary.tv_sec ? granularity() : -granularity();
    if (of_far && lies_between(of_far->tv_sec, far) && keeps(of_far->tv_sec) &&
        !keeps(of_far->tv_sec + step)) {
      return of_far->tv_sec;
    }
    form_.clamps = false;
    std::int64_t good = kOrdinary.tv_sec;
    std::int64_t bad = far;
    while (std::abs(bad - good) > 1) {
      const std::int64_t middle = good + (bad - good) / 2;
      (keeps(middle) ? good : bad) = middle;
    }
    return good;
  }

 private:
  [[nodiscard]] std::int64_t granularity() const {
    return std::max<std::int64_t>(1, form_.granularity / kSecond);
  }
  [[nodiscard]] bool is_kept(std::int64_t meant, std::int64_t got) const {
    return std::abs(meant - got) < granularity();
  }
  [[nodiscard]] bool keeps(std::int64_t second) const {
    const auto got = stored(fd_, {.tv_sec = second, .tv_nsec = 0});
    return got && is_kept(second, got->tv_sec);
  }
  [[nodiscard]] static bool lies_between(std::int64_t second, std::int64_t far) {
    return far > kOrdinary.tv_sec ? second > kOrdinary.tv_sec && second < far
                                  : second < kOrdinary.tv_sec && second > far;
  }

  int fd_;
  TimeForm& form_;
};

}  // namespace

bool keeps_times(int fd, const TimeForm& form) {
  const auto kept = stored(fd, kOrdinary);
  return kept && form.may_become(kOrdinary, *kept);
}

void probe_times(int fd, Capabilities& found) {
  TimeForm& form = found.times;
  const auto ordinary = stored(fd, kOrdinary);
  const TimeForm coarsest{.granularity = ordinary ? granularity_of(*ordinary) : 1};
  form.settable = ordinary && coarsest.may_become(kOrdinary, *ordinary);
  if (!form.settable) return;
  form.granularity = coarsest.granularity;
  Range range(fd, form);
  if (const std::int64_t latest = range.end_towards(kEndOf9999); latest < kEndOf9999) {
    form.latest = latest;
  }
  if (const std::int64_t earliest = range.end_towards(kYear1); earliest > kYear1) {
    form.earliest = earliest;
  }
}

}  // namespace mirrorfs::replica
