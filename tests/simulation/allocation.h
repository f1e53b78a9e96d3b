// Allocations that fail: the program's operator new is its own (allocation.cpp).
#pragma once

namespace mirrorfs::simulation {

/// In its lifetime the allocation after `count` more fails with std::bad_alloc; once.
class FailingAllocation {
 public:
  explicit FailingAllocation(unsigned count) noexcept;
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  ~FailingAllocation();
};

}  // namespace mirrorfs::simulation
