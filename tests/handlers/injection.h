// Failures that the source or the machine has, at a moment chosen by the test.
#pragma once

namespace mirrorfs::testing {

enum class Failing {
  kLook,    ///< statx(2) of the source: EIO
  kMemory,  ///< operator new: std::bad_alloc
};

/// While it lives, the n-th call of that kind by another thread of this process fails, once.
class Injection {
 public:
  Injection(Failing what, int nth);
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;
  ~Injection();
  [[nodiscard]] bool happened() const;
};

/// While it lives, closing a descriptor of a removed object takes two milliseconds, as on a disk
/// that discards blocks at once.
class SlowFreeing {
 public:
  SlowFreeing();
  SlowFreeing(const SlowFreeing&) = delete;
  SlowFreeing& operator=(const SlowFreeing&) = delete;
  ~SlowFreeing();
};

}  // namespace mirrorfs::testing
