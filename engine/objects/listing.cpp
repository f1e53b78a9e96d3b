#include "engine/objects/listing.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "engine/ring/ring.h"

namespace mirrorfs::objects {
namespace {

constexpr std::size_t kBufferSize = 32 << 10;  // bytes: some 1,000 names in one call
// A buffer from the heap would cost more than a listing: the heap grows for it, and shrinks again.
thread_local std::array<std::byte, kBufferSize> listing_buffer;

// What getdents64(2) fills in; glibc declares it only as struct dirent64 with a fixed-size name.
struct KernelDirent {
  std::uint64_t ino;
  std::int64_t offset;
  std::uint16_t record_length;
  unsigned char type;
};
constexpr std::size_t kNameOffset = offsetof(KernelDirent, type) + 1;

void append_names(const std::byte* buffer, std::size_t size, std::vector<Dirent>& names) {
  for (std::size_t at = 0; at < size;) {
    const auto* entry = reinterpret_cast<const KernelDirent*>(buffer + at);
    const std::string_view name(reinterpret_cast<const char*>(buffer + at + kNameOffset));
    if (name != "." && name != "..") {
      names.push_back({std::string(name), entry->ino, entry->type});
    }
    at += entry->record_length;
  }
}

}  // namespace

Result<std::vector<Dirent>> list_directory_now(int dirfd) {
  if (::lseek(dirfd, 0, SEEK_SET) < 0) return fail_errno("lseek");
  std::vector<Dirent> names;
  for (;;) {
    const long size = ::syscall(SYS_getdents64, dirfd, listing_buffer.data(), kBufferSize);
    if (size < 0) return fail_errno("getdents64");
    if (size == 0) break;
    append_names(listing_buffer.data(), static_cast<std::size_t>(size), names);
  }
  std::ranges::sort(names, {}, &Dirent::name);
  return names;
}

ring::Task<Result<std::vector<Dirent>>> list_directory(ring::Ring& ring, int dirfd) {
  const auto list = [dirfd] { return list_directory_now(dirfd); };
  Result<std::vector<Dirent>> names = co_await ring.offload(list);
  co_return names;
}

ring::Task<Result<PairListing>> list_pair(ring::Ring& ring, int source, int replica) {
  const auto list = [source, replica]() -> Result<PairListing> {
    PairListing names;
    Result<std::vector<Dirent>> ours = list_directory_now(source);
    if (!ours) return pass_on(std::move(ours));
    names.source = std::move(*ours);
    if (replica < 0) return names;
    Result<std::vector<Dirent>> theirs = list_directory_now(replica);
    if (!theirs) return pass_on(std::move(theirs));
    names.replica = std::move(*theirs);
    return names;
  };
  Result<PairListing> names = co_await ring.offload(list);
  co_return names;
}

}  // namespace mirrorfs::objects
