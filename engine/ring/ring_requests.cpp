// The members of Ring that make requests.
#include <liburing.h>

#include <algorithm>
#include <limits>

#include "engine/ring/ring.h"

namespace mirrorfs::ring {
namespace {

/// read(2): the most that one call moves.
constexpr std::size_t kMostBytes = 0x7ffff000;

unsigned clamped(std::size_t bytes) { return static_cast<unsigned>(std::min(bytes, kMostBytes)); }

}  // namespace

OpenRequest Ring::open(int dirfd, const char* name, int flags, mode_t mode, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  // openat2(2) refuses a mode where nothing is created. O_TMPFILE contains O_DIRECTORY.
  const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  how.mode = creates ? mode : 0;
  how.resolve = resolve;
  return {*this, dirfd, name, how};
}

StatxRequest Ring::statx(int dirfd, const char* name, int flags) {
  return {*this, dirfd, name, flags | AT_STATX_FORCE_SYNC};
}

SizeRequest Ring::read(int fd, std::span<std::byte> buffer, std::uint64_t offset) {
  io_uring_sqe sqe{};
  io_uring_prep_read(&sqe, fd, buffer.data(), clamped(buffer.size()), offset);
  return {*this, sqe, "read", ""};
}

SizeRequest Ring::write(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  io_uring_sqe sqe{};
  io_uring_prep_write(&sqe, fd, data.data(), clamped(data.size()), offset);
  return {*this, sqe, "write", ""};
}

PlainRequest Ring::fallocate(int fd, int flags, ByteRange range) {
  io_uring_sqe sqe{};
  io_uring_prep_fallocate(&sqe, fd, flags, range.offset, range.length);
  return {*this, sqe, "fallocate", ""};
}

PlainRequest Ring::ftruncate(int fd, std::uint64_t size) {
  io_uring_sqe sqe{};
  io_uring_prep_ftruncate(&sqe, fd, static_cast<loff_t>(size));
  return {*this, sqe, "ftruncate", ""};
}

PlainRequest Ring::fsync(int fd, bool data_only) {
  io_uring_sqe sqe{};
  io_uring_prep_fsync(&sqe, fd, data_only ? IORING_FSYNC_DATASYNC : 0U);
  return {*this, sqe, data_only ? "fdatasync" : "fsync", ""};
}

PlainRequest Ring::fadvise(int fd, ByteRange range, int advice) {
  io_uring_sqe sqe{};
  // Kernels before 6.10 see the 32 bits of len only, later ones prefer the 64 bits of addr.
  const auto short_length = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(range.length, std::numeric_limits<std::uint32_t>::max()));
  io_uring_prep_fadvise(&sqe, fd, range.offset, short_length, advice);
  sqe.addr = range.length;
  return {*this, sqe, "fadvise", ""};
}

CloseRequest Ring::close(UniqueFd&& fd) { return {*this, std::move(fd)}; }

PlainRequest Ring::mkdirat(int dirfd, const char* name, mode_t mode) {
  io_uring_sqe sqe{};
  io_uring_prep_mkdirat(&sqe, dirfd, name, mode);
  return {*this, sqe, "mkdirat", name};
}

PlainRequest Ring::unlinkat(int dirfd, const char* name, int flags) {
  io_uring_sqe sqe{};
  io_uring_prep_unlinkat(&sqe, dirfd, name, flags);
  return {*this, sqe, "unlinkat", name};
}

PlainRequest Ring::renameat2(int old_dirfd, const char* old_name, int new_dirfd,
                             const char* new_name, unsigned flags) {
  io_uring_sqe sqe{};
  io_uring_prep_renameat(&sqe, old_dirfd, old_name, new_dirfd, new_name, flags);
  return {*this, sqe, "renameat2", old_name};
}

PlainRequest Ring::linkat(int old_dirfd, const char* old_name, int new_dirfd, const char* new_name,
                          int flags) {
  io_uring_sqe sqe{};
  io_uring_prep_linkat(&sqe, old_dirfd, old_name, new_dirfd, new_name, flags);
  return {*this, sqe, "linkat", new_name};
}

PlainRequest Ring::symlinkat(const char* target, int dirfd, const char* name) {
  io_uring_sqe sqe{};
  io_uring_prep_symlinkat(&sqe, target, dirfd, name);
  return {*this, sqe, "symlinkat", name};
}

SizeRequest Ring::fgetxattr(int fd, const char* name, std::span<std::byte> value) {
  io_uring_sqe sqe{};
  io_uring_prep_fgetxattr(&sqe, fd, name, reinterpret_cast<char*>(value.data()),
                          clamped(value.size()));
  return {*this, sqe, "fgetxattr", name};
}

PlainRequest Ring::fsetxattr(int fd, const char* name, std::span<const std::byte> value,
                             int flags) {
  io_uring_sqe sqe{};
  io_uring_prep_fsetxattr(&sqe, fd, name, reinterpret_cast<const char*>(value.data()), flags,
                          clamped(value.size()));
  return {*this, sqe, "fsetxattr", name};
}

Task<Result<void>> Ring::write_all(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  while (!data.empty()) {
    auto written = co_await write(fd, data, offset);
    if (!written) co_return pass_on(std::move(written));
    // A regular file takes at least one byte or reports an error; anything else would loop for
    // ever.
    if (*written == 0) co_return fail(EIO, "write");
    data = data.subspan(*written);
    offset += *written;
  }
  co_return Result<void>();
}

Task<Result<std::size_t>> Ring::read_all_at(int fd, std::span<std::byte> buffer,
                                            std::uint64_t offset) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    auto count = co_await read(fd, buffer.subspan(done), offset + done);
    if (!count) co_return pass_on(std::move(count));
    if (*count == 0) break;
    done += *count;
  }
  co_return done;
}

}  // namespace mirrorfs::ring
