#include "tests/handlers/injection.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <new>
#include <thread>

namespace mirrorfs::testing {
namespace {

std::atomic<int> looks_left{0};
std::atomic<int> allocations_left{0};
std::atomic<bool> hit{false};
std::atomic<bool> freeing_is_slow{false};
thread_local bool is_test_thread = false;

bool is_due(std::atomic<int>& left) {
  if (left.load(std::memory_order_relaxed) <= 0 || is_test_thread) return false;
  if (left.fetch_sub(1) != 1) return false;
  hit = true;
  return true;
}

}  // namespace

Injection::Injection(Failing what, int nth) {
  is_test_thread = true;
  hit = false;
  (what == Failing::kLook ? looks_left : allocations_left) = nth;
}

Injection::~Injection() { looks_left = allocations_left = 0; }

bool Injection::happened() const { return hit; }

SlowFreeing::SlowFreeing() { freeing_is_slow = true; }
SlowFreeing::~SlowFreeing() { freeing_is_slow = false; }

}  // namespace mirrorfs::testing

// In the place of libc's, for the whole of this program.
extern "C" int statx(int directory, const char* name, int flags, unsigned mask,
                     struct statx* result) noexcept {
  if (mirrorfs::testing::is_due(mirrorfs::testing::looks_left)) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_statx, directory, name, flags, mask, result));
}

extern "C" int close(int fd) {
  struct stat about{};
  if (mirrorfs::testing::freeing_is_slow && ::fstat(fd, &about) == 0 && about.st_nlink == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return static_cast<int>(::syscall(SYS_close, fd));
}

void* operator new(std::size_t size) {
  void* const memory = mirrorfs::testing::is_due(mirrorfs::testing::allocations_left)
                           ? nullptr
                           : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
