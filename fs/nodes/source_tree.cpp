#include "fs/nodes/source_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "fs/nodes/kept_values.h"

namespace mirrorfs::fs {
namespace {

Result<UniqueFd> confined_open(int directory, const char* name, int flags, mode_t mode) {
  const int fd = calls::open_beneath(directory, name, flags, mode);
  if (fd < 0) return fail(-fd, "openat2", name);
  return UniqueFd(fd);
}

}  // namespace

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

SourceTree::SourceTree(int root, const Metadata& metadata) : root_(root), root_metadata_(metadata) {
  const FileHandleBytes handle = FileHandleBytes::of(root);
  handles_allowed_ = handle && open_handle(handle).has_value();
  may_repeat_identity_ = may_repeat_identity(root);
  keeps_attributes_ = fs::keeps_attributes(root);
  shows_every_write_ = keeps_attributes_ && kernel_stamps_finely();
}

Result<SourceTree> SourceTree::open(int root) {
  if (auto prepared = calls::prepare(); !prepared) return pass_on(std::move(prepared));
  struct statx raw{};
  if (::statx(root, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, Metadata::kStatxMask, &raw) != 0) {
    return fail_errno("statx", "source");
  }
  return SourceTree(root, Metadata::from(raw));
}

Result<void> SourceTree::reopen_process_folder() { return calls::prepare(); }

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
  const int opened = calls::reopen(fd, flags);
  if (opened < 0) return fail(-opened, "open");
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
