#include "fs/nodes/source_tree.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace mirrorfs::fs {
namespace {

constexpr std::uint64_t kConfined = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

Result<UniqueFd> confined_open(int directory, const char* name, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
  how.mode = mode;
  how.resolve = kConfined;
  for (;;) {
    const long fd = ::syscall(SYS_openat2, directory, name, &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    // openat2(2): a rename or mount somewhere raced with RESOLVE_BENEATH; try again.
    if (errno != EAGAIN && errno != EINTR) return fail_errno("openat2", name);
  }
}

Result<UniqueFd> open_process_folder() {
  UniqueFd folder(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail_errno("open", "/proc/self/fd");
  return folder;
}

}  // namespace

DescriptorName::DescriptorName(int fd) {
  const auto end = std::to_chars(text_, text_ + sizeof text_ - 1, fd);
  *end.ptr = '\0';
}

FileHandleBytes FileHandleBytes::of(int fd) {
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + MAX_HANDLE_SZ> space{};
  auto* const head = reinterpret_cast<file_handle*>(space.data());
  head->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  FileHandleBytes handle;
  if (::name_to_handle_at(fd, "", head, &mount_id, AT_EMPTY_PATH) != 0) return handle;
  const std::size_t size = sizeof(file_handle) + head->handle_bytes;
  handle.bytes_ = std::make_unique<std::byte[]>(size);
  std::memcpy(handle.bytes_.get(), space.data(), size);
  return handle;
}

SourceTree::SourceTree(int root, UniqueFd process_folder, const Metadata& metadata)
    : root_(root), process_folder_(std::move(process_folder)), root_metadata_(metadata) {
  const FileHandleBytes handle = FileHandleBytes::of(root);
  handles_allowed_ = handle && open_handle(handle).has_value();
  may_repeat_identity_ = may_repeat_identity(root);
}

Result<SourceTree> SourceTree::open(int root) {
  auto folder = open_process_folder();
  if (!folder) return pass_on(std::move(folder));
  struct statx raw{};
  if (::statx(root, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, Metadata::kStatxMask, &raw) != 0) {
    return fail_errno("statx", "source");
  }
  return SourceTree(root, std::move(*folder), Metadata::from(raw));
}

Result<void> SourceTree::reopen_process_folder() {
  auto folder = open_process_folder();
  if (!folder) return pass_on(std::move(folder));
  process_folder_ = std::move(*folder);
  return {};
}

Result<UniqueFd> SourceTree::open_path(int directory, const char* name) const {
  return confined_open(directory, name, O_PATH, 0);
}

Result<UniqueFd> SourceTree::create(int directory, const char* name, int flags, mode_t mode) const {
  return confined_open(directory, name, flags | O_CREAT | O_EXCL, mode);
}

Result<UniqueFd> SourceTree::create_nameless(int directory, int flags, mode_t mode) const {
  return confined_open(directory, ".", flags | O_TMPFILE, mode);
}

Result<UniqueFd> SourceTree::reopen(int fd, int flags) const {
  const DescriptorName name(fd);
  const int opened =
      ::openat(process_folder_.get(), name.c_str(), (flags & ~O_NOFOLLOW) | O_CLOEXEC);
  if (opened < 0) return fail_errno("open");
  return UniqueFd(opened);
}

Result<UniqueFd> SourceTree::open_handle(const FileHandleBytes& handle) const {
  const int fd = ::open_by_handle_at(root_, static_cast<file_handle*>(handle.raw()),
                                     O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return fail_errno("open_by_handle_at");
  return UniqueFd(fd);
}

Result<Metadata> SourceTree::stat(int fd) const { return stat_at(fd, ""); }

Result<Metadata> SourceTree::stat_at(int directory, const char* name) const {
  struct statx raw{};
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (::statx(directory, name, flags, Metadata::kStatxMask, &raw) != 0) {
    return fail_errno("statx", name);
  }
  return Metadata::from(raw);
}

}  // namespace mirrorfs::fs
