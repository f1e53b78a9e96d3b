#include "mirrorfs/repeat_limit.h"

#include <new>
#include <utility>

namespace mirrorfs {

RepeatLimit::Kind& RepeatLimit::kind_of(std::string_view kind, Clock::time_point now) {
  const auto known = kinds_.find(kind);
  if (known != kinds_.end()) return known->second;
  // Kinds are few; this keeps one that is made of names by mistake from taking all memory.
  if (kinds_.size() >= kMostKinds) {
    std::erase_if(kinds_, [&](const auto& old) { return now - old.second.first >= within_; });
  }
  if (kinds_.size() >= kMostKinds) kinds_.clear();
  return kinds_[std::string(kind)];
}

std::optional<std::uint64_t> RepeatLimit::admit(std::string_view kind,
                                                Clock::time_point now) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    Kind& state = kind_of(kind, now);
    if (state.written == 0 || now - state.first >= within_) {
      state.first = now;
      state.written = 0;
    }
    if (state.written >= most_) {
      ++state.left_out;
      return std::nullopt;
    }
    ++state.written;
    return std::exchange(state.left_out, 0);
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

}  // namespace mirrorfs
