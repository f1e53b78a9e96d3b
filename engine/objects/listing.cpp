#include "engine/objects/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/ring/ring.h"
#include "mirrorfs/object_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::objects {
namespace {

constexpr std::array<std::uint32_t, 4> kRemote = {FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC,
                                                  CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC};
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

/// The directory, to be listed from its beginning. A server may have forgotten what it was told of
/// an open directory, and sshfs goes on with a number that means another one by now: there each
/// listing opens it anew.
class Listed {
 public:
  explicit Listed(int directory) : directory_(directory) {
    struct statfs filesystem{};
    if (::fstatfs(directory, &filesystem) != 0) return;
    const auto type = static_cast<std::uint32_t>(filesystem.f_type);
    if (std::ranges::find(kRemote, type) == kRemote.end()) return;
    anew_ = UniqueFd(calls::open_beneath(directory, ".", O_RDONLY | O_DIRECTORY));
    directory_ = anew_.get();
  }
  [[nodiscard]] Result<int> from_the_beginning() const {
    if (directory_ < 0) return fail(-directory_, "openat2", ".");
    if (::lseek(directory_, 0, SEEK_SET) < 0) return fail_errno("lseek");
    return directory_;
  }

 private:
  int directory_;
  UniqueFd anew_;
};

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

/// The least `most` of the names from `from` on, sorted.
Result<std::vector<std::string>> least_names(int dirfd, const std::string& from, std::size_t most,
                                             bool only_directories) {
  const Listed listed(dirfd);
  const Result<int> directory = listed.from_the_beginning();
  if (!directory) return std::unexpected(directory.error());
  std::vector<std::string> least;
  std::vector<Dirent> some;
  for (;;) {
    const long size = ::syscall(SYS_getdents64, *directory, listing_buffer.data(), kBufferSize);
    if (size < 0) return fail_errno("getdents64");
    some.clear();
    append_names(listing_buffer.data(), static_cast<std::size_t>(size), some);
    for (Dirent& entry : some) {
      const bool wanted = !only_directories || entry.type == DT_DIR || entry.type == DT_UNKNOWN;
      if (wanted && entry.name >= from) least.push_back(std::move(entry.name));
    }
    const bool ended = size == 0;
    if (ended || least.size() >= 2 * most) {
      std::ranges::sort(least);
      if (least.size() > most) least.resize(most);
    }
    if (ended) return least;
  }
}

void keep_before(std::vector<std::string>& names, const std::string& end) {
  names.erase(std::ranges::lower_bound(names, end), names.end());
}

}  // namespace

ring::Task<Result<SomeNames>> list_some(ring::Ring& ring, int source, int replica, std::string from,
                                        std::size_t most) {
  const auto list = [source, replica, &from, most]() -> Result<SomeNames> {
    SomeNames names;
    // One more than wanted: where the next list begins.
    Result<std::vector<std::string>> ours = least_names(source, from, most + 1, false);
    if (!ours) return pass_on(std::move(ours));
    names.source = std::move(*ours);
    if (replica >= 0) {
      Result<std::vector<std::string>> theirs = least_names(replica, from, most + 1, false);
      if (!theirs) return pass_on(std::move(theirs));
      names.replica = std::move(*theirs);
    }
    for (const std::vector<std::string>* const side : {&names.source, &names.replica}) {
      if (side->size() <= most) continue;
      names.next = names.next.empty() ? side->back() : std::min(names.next, side->back());
    }
    if (names.next.empty()) return names;
    keep_before(names.source, names.next);
    keep_before(names.replica, names.next);
    return names;
  };
  Result<SomeNames> names = co_await ring.offload(list);
  co_return names;
}

ring::Task<Result<std::vector<std::string>>> list_directories(ring::Ring& ring, int dirfd,
                                                              std::string from, std::size_t most) {
  const auto list = [dirfd, &from, most] { return least_names(dirfd, from, most, true); };
  Result<std::vector<std::string>> names = co_await ring.offload(list);
  co_return names;
}

Result<std::vector<Dirent>> list_directory_now(int dirfd) {
  const Listed listed(dirfd);
  const Result<int> directory = listed.from_the_beginning();
  if (!directory) return std::unexpected(directory.error());
  std::vector<Dirent> names;
  for (;;) {
    const long size = ::syscall(SYS_getdents64, *directory, listing_buffer.data(), kBufferSize);
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
