#include "engine/objects/descriptor_budget.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::objects {
namespace {

/// The ring and its wake-up, staging, both roots, and what the rest of the process may need.
constexpr std::size_t kOthers = 16;

/// poll(2) says for each number whether it is an open descriptor, all in one call.
std::size_t free_descriptors(std::size_t limit) {
  std::vector<pollfd> all(limit);
  for (std::size_t i = 0; i < limit; ++i) all[i].fd = static_cast<int>(i);
  if (::poll(all.data(), all.size(), 0) < 0) return limit;
  const auto is_free = [](const pollfd& one) { return (one.revents & POLLNVAL) != 0; };
  return static_cast<std::size_t>(std::ranges::count_if(all, is_free));
}

}  // namespace

DescriptorBudget DescriptorBudget::of_process() {
  constexpr std::size_t kEnough = 4096;
  rlimit limit{};
  const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
  return of(free_descriptors(known ? std::min<std::size_t>(limit.rlim_cur, kEnough) : 256));
}

DescriptorBudget DescriptorBudget::of(std::size_t descriptors) {
  const std::size_t left = descriptors > kOthers ? descriptors - kOthers : 0;
  return {.objects = std::clamp<std::size_t>(left / 4, 4, 128),
          .directories = std::clamp<std::size_t>(left / 12, 1, 16),
          .pairs = std::clamp<std::size_t>(left / 8, 2, 64)};
}

void DescriptorBudget::enlarge_table() const {
  const std::size_t most = kOthers + 2 * (objects + directories + pairs);
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  const UniqueFd high(::fcntl(event.get(), F_DUPFD_CLOEXEC, static_cast<int>(most)));
}

}  // namespace mirrorfs::objects
