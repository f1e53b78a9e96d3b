// The calls of a sequence that move data or list something.
#include "model_data.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>

namespace mirrorfs::test {
namespace {

constexpr std::size_t kBlock = 4096;

/// Memory as O_DIRECT wants it.
struct Block {
  explicit Block(std::size_t size)
      : bytes(static_cast<char*>(std::aligned_alloc(kBlock, (size + kBlock) / kBlock * kBlock)),
              std::free) {}
  std::unique_ptr<char, void (*)(void*)> bytes;
};

struct Extent {
  std::uint64_t offset, size;
};

/// O_DIRECT takes whole blocks only, and the position may be anywhere; the mount takes any (the
/// daemon has the data in memory of its own).
Extent extent_of(const Call& call, int flags) {
  if ((flags & O_DIRECT) == 0) return {call.offset, call.size};
  return {call.offset / kBlock * kBlock, call.size / kBlock * kBlock};
}

bool at_position(const Call& call, int flags) {
  return (flags & O_DIRECT) == 0 && (call.kind == CallKind::kRead || call.kind == CallKind::kWrite);
}

bool is_trusted(const std::string& name) { return name.starts_with("trusted."); }

std::uint64_t size_of(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

/// What a file has from an offset to its end.
std::uint64_t size_after(int fd, std::uint64_t offset) {
  const std::uint64_t size = size_of(fd);
  return size > offset ? size - offset : 0;
}

/// A mapping's last page goes on beyond the end of the file. What is written there has no defined
/// effect (mmap(2)); Linux 6.18's tmpfs shows it when the file grows.
std::uint64_t size_to_map(int fd, const Call& call) {
  const bool in_file = call.offset / kBlock * kBlock < size_of(fd);
  const bool writes = call.kind == CallKind::kWriteMapped;
  return in_file && writes ? std::min(call.size, size_after(fd, call.offset)) : call.size;
}

}  // namespace

std::string digest(std::string_view bytes) {
  return fmt::format("{} bytes, {:x}", bytes.size(), std::hash<std::string_view>{}(bytes));
}

long read_some(int fd, const Call& call, int flags, std::string& data) {
  const Extent extent = extent_of(call, flags);
  const Block block(extent.size);
  const long count = at_position(call, flags) ? ::read(fd, block.bytes.get(), extent.size)
                                              : ::pread(fd, block.bytes.get(), extent.size,
                                                        static_cast<off_t>(extent.offset));
  if (count > 0) data = digest({block.bytes.get(), static_cast<std::size_t>(count)});
  return count;
}

long write_some(int fd, const Call& call, int flags) {
  const Extent extent = extent_of(call, flags);
  const std::string bytes = pattern(extent.size, call.seed);
  const Block block(extent.size);
  std::memcpy(block.bytes.get(), bytes.data(), bytes.size());
  if (at_position(call, flags)) return ::write(fd, block.bytes.get(), extent.size);
  return ::pwrite(fd, block.bytes.get(), extent.size, static_cast<off_t>(extent.offset));
}

// process_vm_readv(2) and its like fail, or are short, where a load or store would raise SIGBUS.
long use_mapping(int fd, const Call& call, std::string& data) {
  const bool writes = call.kind == CallKind::kWriteMapped;
  const std::uint64_t start = call.offset / kBlock * kBlock;
  const std::uint64_t size = size_to_map(fd, call);
  const std::size_t length = (call.offset - start) + size + 1;
  void* const memory = ::mmap(nullptr, length, writes ? PROT_READ | PROT_WRITE : PROT_READ,
                              MAP_SHARED, fd, static_cast<off_t>(start));
  if (memory == MAP_FAILED) return -1;
  std::string bytes = writes ? pattern(size, call.seed) : std::string(size, '\0');
  const iovec mine{.iov_base = bytes.data(), .iov_len = bytes.size()};
  const iovec mapped{.iov_base = static_cast<char*>(memory) + (call.offset - start),
                     .iov_len = bytes.size()};
  const long count = writes ? ::process_vm_writev(::getpid(), &mine, 1, &mapped, 1, 0)
                            : ::process_vm_readv(::getpid(), &mine, 1, &mapped, 1, 0);
  const int error = errno;
  if (writes) ::msync(memory, length, MS_SYNC);
  if (!writes && count > 0) {
    data = digest(std::string_view(bytes).substr(0, static_cast<std::size_t>(count)));
  }
  ::munmap(memory, length);
  errno = error;
  return count;
}

long copy_range(int from_fd, int to_fd, const Call& call, int flags) {
  auto from = static_cast<off_t>(call.offset), to = static_cast<off_t>(call.other_offset);
  std::size_t size = call.size;
  if ((flags & O_DIRECT) != 0) {
    from = from / kBlock * kBlock;
    to = to / kBlock * kBlock;
    size = std::min(size, size_after(from_fd, static_cast<std::uint64_t>(from))) / kBlock * kBlock;
  }
  return ::copy_file_range(from_fd, &from, to_fd, &to, size, 0);
}

long seek(int fd, off_t offset, int whence) {
  struct stat status{};
  if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) return 0;
  return ::lseek(fd, offset, whence);
}

long list(const Path& path, std::string& data) {
  DIR* const stream = ::opendir(path.c_str());
  if (stream == nullptr) return -1;
  std::set<std::string> entries;
  while (const dirent* const entry = ::readdir(stream)) {
    entries.insert(fmt::format("{} {}", entry->d_name, entry->d_type));
  }
  ::closedir(stream);
  for (const std::string& entry : entries) data += entry + "; ";
  return static_cast<long>(entries.size());
}

long list_xattrs(const Path& path, std::string& data) {
  std::string names(10'000, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0) return size;
  std::set<std::string> sorted;
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::strlen(names.data() + at)) + 1) {
    sorted.insert(names.data() + at);
  }
  // btrfs shows them to everyone; the mount, as other filesystems do, to root only (xattr(7)).
  if (::geteuid() != 0) std::erase_if(sorted, is_trusted);
  for (const std::string& name : sorted) data += name + " ";
  return static_cast<long>(data.size());
}

}  // namespace mirrorfs::test
