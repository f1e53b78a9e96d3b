#include "engine/ring/request.h"

#include <fcntl.h>
#include <liburing.h>

#include <cstdint>
#include <new>

#include "engine/ring/direct_call.h"
#include "engine/ring/ring.h"

namespace mirrorfs::ring {
namespace {

/// openat2(2): with RESOLVE_BENEATH a rename elsewhere can make the walk fail with EAGAIN, and the
/// caller should try again; bounded, since an attacker can rename forever.
constexpr unsigned kMostRetries = 32;

io_uring_sqe prepare_open(int dirfd, const char* name) {
  io_uring_sqe sqe{};
  io_uring_prep_openat2(&sqe, dirfd, name, nullptr);
  return sqe;
}

io_uring_sqe prepare_statx(int dirfd, const char* name, int flags) {
  io_uring_sqe sqe{};
  io_uring_prep_statx(&sqe, dirfd, name, flags, Metadata::kStatxMask, nullptr);
  return sqe;
}

io_uring_sqe prepare_close(int fd) {
  io_uring_sqe sqe{};
  io_uring_prep_close(&sqe, fd);
  return sqe;
}

std::uint64_t address_of(const void* object) {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(object));
}

}  // namespace

EntryStorage::EntryStorage(const io_uring_sqe& entry) noexcept {
  static_assert(sizeof(io_uring_sqe) == kSize && alignof(io_uring_sqe) <= 8);
  new (bytes_) io_uring_sqe(entry);
}

io_uring_sqe& EntryStorage::get() noexcept {
  return *std::launder(reinterpret_cast<io_uring_sqe*>(bytes_));
}

void Request::await_suspend(std::coroutine_handle<> waiter) noexcept {
  waiter_ = waiter;
  ring_.driver_->start(*this);
}

void Request::execute_directly(HelperJob& job) noexcept {
  auto& self = static_cast<Request&>(job);
  do {
    self.result_ = call_directly(self.entry());
  } while (self.take_retry());
}

bool Request::complete(int result) {
  result_ = result;
  if (take_retry()) return false;
  resume_waiter();
  return true;
}

bool Request::take_retry() noexcept {
  const unsigned opcode = entry().opcode;
  const bool race = result_ == -EAGAIN && opcode == IORING_OP_OPENAT2;
  // close(2): after EINTR the descriptor is gone.
  const bool interrupted = result_ == -EINTR && opcode != IORING_OP_CLOSE;
  return (race || interrupted) && retries_++ < kMostRetries;
}

Result<void> PlainRequest::await_resume() const {
  if (failed()) return error();
  return {};
}

Result<std::size_t> SizeRequest::await_resume() const {
  if (failed()) return error();
  return static_cast<std::size_t>(result());
}

OpenRequest::OpenRequest(Ring& ring, int dirfd, const char* name, const open_how& how) noexcept
    : Request(ring, prepare_open(dirfd, name), "openat2", name), how_(how) {}

void OpenRequest::await_suspend(std::coroutine_handle<> waiter) noexcept {
  entry().addr2 = address_of(&how_);
  Request::await_suspend(waiter);
}

Result<UniqueFd> OpenRequest::await_resume() const {
  if (failed()) return error();
  return UniqueFd(result());
}

StatxRequest::StatxRequest(Ring& ring, int dirfd, const char* name, int flags) noexcept
    : Request(ring, prepare_statx(dirfd, name, flags), "statx", name) {}

void StatxRequest::await_suspend(std::coroutine_handle<> waiter) noexcept {
  entry().addr2 = address_of(&answer_);
  Request::await_suspend(waiter);
}

Result<Metadata> StatxRequest::await_resume() const {
  if (failed()) return error();
  return Metadata::from(answer_);
}

CloseRequest::CloseRequest(Ring& ring, UniqueFd&& fd) noexcept
    : Request(ring, prepare_close(fd.get()), "close", ""), fd_(std::move(fd)) {}

void CloseRequest::await_suspend(std::coroutine_handle<> waiter) noexcept {
  static_cast<void>(fd_.release());
  Request::await_suspend(waiter);
}

Result<void> CloseRequest::await_resume() const {
  if (failed()) return error();
  return {};
}

bool SleepRequest::await_ready() const noexcept { return ring_.stopping(); }

void SleepRequest::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  ring_.add_sleeper(*this);
}

}  // namespace mirrorfs::ring
