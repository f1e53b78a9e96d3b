#include "tests/handlers/injection.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

namespace mirrorfs::testing {
namespace {

std::atomic<int> looks_left{0};
std::atomic<int> allocations_left{0};
std::atomic<bool> hit{false};
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

void* operator new(std::size_t size) {
  void* const memory = mirrorfs::testing::is_due(mirrorfs::testing::allocations_left)
                           ? nullptr
                           : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
