#include "bench/ring_watch/ring_view.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace mirrorfs::bench {
namespace {

constexpr unsigned kSqeMixed = 1U << 19;  // IORING_SETUP_SQE_MIXED, Linux 6.19

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// A duplicate of a descriptor of another process (Linux 5.6).
UniqueFd duplicate_from(pid_t pid, int fd) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) fail("pidfd_open");
  UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  if (!copy) fail("pidfd_getfd");
  return copy;
}

const io_uring_params& watchable(const io_uring_params& params) {
  if ((params.flags & IORING_SETUP_SQPOLL) != 0) {
    throw std::runtime_error("a kernel thread submits for this ring (IORING_SETUP_SQPOLL)");
  }
  if ((params.flags & IORING_SETUP_NO_MMAP) != 0) {
    throw std::runtime_error("this ring cannot be mapped (IORING_SETUP_NO_MMAP)");
  }
  if ((params.flags & kSqeMixed) != 0) {
    throw std::runtime_error("this ring's entries are of two sizes (IORING_SETUP_SQE_MIXED)");
  }
  return params;
}

std::size_t queue_size(const io_uring_params& params) {
  const io_sqring_offsets& offsets = params.sq_off;
  const std::size_t words =
      std::max({offsets.head, offsets.tail, offsets.ring_mask}) + sizeof(std::uint32_t);
  if ((params.flags & IORING_SETUP_NO_SQARRAY) != 0) return words;
  return std::max(words, offsets.array + params.sq_entries * sizeof(std::uint32_t));
}

std::size_t entry_size(const io_uring_params& params) {
  return (params.flags & IORING_SETUP_SQE128) != 0 ? 2 * sizeof(io_uring_sqe)
                                                   : sizeof(io_uring_sqe);
}

}  // namespace

Mapping::Mapping(int fd, off_t offset, std::size_t size) : data_(nullptr), size_(size) {
  // The kernel refuses private mappings of rings, and read-only ones serve here.
  void* const data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, offset);
  if (data == MAP_FAILED) fail("mmap of a ring");
  data_ = static_cast<std::byte*>(data);
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

RingView::RingView(pid_t pid, int fd, const io_uring_params& params)
    : RingView(duplicate_from(pid, fd), watchable(params)) {}

RingView::RingView(UniqueFd ring, const io_uring_params& params)
    : params_(params),
      entry_size_(entry_size(params)),
      queue_(ring.get(), IORING_OFF_SQ_RING, queue_size(params)),
      entries_(ring.get(), IORING_OFF_SQES, params.sq_entries * entry_size_) {}

unsigned RingView::word(unsigned offset) const noexcept {
  unsigned value = 0;
  std::memcpy(&value, queue_.at(offset), sizeof value);
  return value;
}

std::vector<io_uring_sqe> RingView::take(unsigned to_submit) {
  std::atomic_thread_fence(std::memory_order_acquire);
  const unsigned head = word(params_.sq_off.head);
  const unsigned queued = word(params_.sq_off.tail) - head;
  const unsigned end = head + std::min(to_submit, queued);
  // What an earlier call offered and the kernel did not take is offered again.
  const unsigned seen = std::min(next_ - head, end - head);

  const unsigned mask = word(params_.sq_off.ring_mask);
  std::vector<io_uring_sqe> taken;
  for (unsigned position = head + seen; position != end; ++position) {
    unsigned index = position & mask;
    if ((params_.flags & IORING_SETUP_NO_SQARRAY) == 0) {
      index = word(params_.sq_off.array + index * static_cast<unsigned>(sizeof(std::uint32_t)));
    }
    if (index > mask) continue;  // the kernel drops such an entry
    io_uring_sqe entry;
    std::memcpy(&entry, entries_.at(index * entry_size_), sizeof entry);
    taken.push_back(entry);
  }
  if (end - head > next_ - head) next_ = end;
  return taken;
}

}  // namespace mirrorfs::bench
