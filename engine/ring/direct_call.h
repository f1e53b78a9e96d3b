// The same request by a plain system call, for kernels that lack its opcode.
#pragma once

struct io_uring_sqe;

namespace mirrorfs::ring {

/// Carries the request out on the calling thread. Returns what the ring would: a value ≥ 0 or
/// -errno.
[[nodiscard]] int call_directly(const io_uring_sqe& request) noexcept;

}  // namespace mirrorfs::ring
