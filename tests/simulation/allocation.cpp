#include "allocation.h"

#include <cstdlib>
#include <new>

namespace mirrorfs::simulation {
namespace {

bool armed = false;
unsigned left = 0;

bool fails_now() noexcept {
  if (!armed || left-- > 0) return false;
  armed = false;
  return true;
}

}  // namespace

FailingAllocation::FailingAllocation(unsigned count) noexcept {
  armed = true;
  left = count;
}

FailingAllocation::~FailingAllocation() { armed = false; }

}  // namespace mirrorfs::simulation

void* operator new(std::size_t size) {
  void* const memory = mirrorfs::simulation::fails_now() ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return mirrorfs::simulation::fails_now() ? nullptr : std::malloc(size);
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
