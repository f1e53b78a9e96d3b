#include "engine/replica/writer.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <limits>

#include "engine/objects/owner_access.h"
#include "engine/objects/xattrs.h"

namespace mirrorfs::replica {

ring::OpenRequest Writer::create_file(int directory, const char* name, int access, mode_t mode) {
  note_change();
  return ring_.open(directory, name, access | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

ring::PlainRequest Writer::make_directory(int directory, const char* name, mode_t mode) {
  note_change();
  return ring_.mkdirat(directory, name, mode);
}

ring::PlainRequest Writer::make_symlink(const char* target, int directory, const char* name) {
  note_change();
  return ring_.symlinkat(target, directory, name);
}

Result<void> Writer::make_special(int directory, const char* name, mode_t mode, dev_t rdev) {
  note_change();
  if (::mknodat(directory, name, mode, rdev) != 0) return fail_errno("mknodat", name);
  return {};
}

ring::PlainRequest Writer::link(int from, const char* from_name, int to, const char* name) {
  note_change();
  return ring_.linkat(from, from_name, to, name, 0);
}

ring::SizeRequest Writer::write_new(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  note_change();
  return ring_.write(fd, data, offset);
}

ring::Task<Result<void>> Writer::write_all_new(int fd, std::span<const std::byte> data,
                                               std::uint64_t offset) {
  note_change();
  return ring_.write_all(fd, data, offset);
}

ring::PlainRequest Writer::set_size_new(int fd, std::uint64_t size) {
  note_change();
  return ring_.ftruncate(fd, size);
}

bool Writer::clone_new(int from, int to) { return ::ioctl(to, FICLONE, from) == 0; }

ring::PlainRequest Writer::exchange(int from, const char* from_name, int to, const char* name) {
  note_change();
  return ring_.renameat2(from, from_name, to, name, RENAME_EXCHANGE);
}

ring::PlainRequest Writer::move_in_staging(int from, const char* from_name, int to,
                                           const char* name) {
  note_change();
  return ring_.renameat2(from, from_name, to, name, 0);
}

ring::PlainRequest Writer::discard(int staging, const char* name, int flags) {
  return ring_.unlinkat(staging, name, flags);
}

void Writer::keep_no_more() {
  if (keeper_ != nullptr) keeper_->end();
  keeper_ = nullptr;
}

ring::Task<Result<void>> Writer::unlink(int directory, const char* name) {
  auto kept = about_to_destroy({.how = Destruction::kUnlink, .directory = directory, .name = name});
  if (!kept) co_return kept;
  co_return co_await ring_.unlinkat(directory, name, 0);
}

ring::Task<Result<void>> Writer::remove_directory(int directory, const char* name) {
  auto kept = about_to_destroy(
      {.how = Destruction::kRemoveDirectory, .directory = directory, .name = name});
  if (!kept) co_return kept;
  co_return co_await ring_.unlinkat(directory, name, AT_REMOVEDIR);
}

ring::Task<Result<void>> Writer::replace(int from, const char* from_name, int to,
                                         const char* name) {
  auto kept = about_to_destroy({.how = Destruction::kReplace, .directory = to, .name = name});
  if (!kept) co_return kept;
  co_return co_await ring_.renameat2(from, from_name, to, name, 0);
}

ring::Task<Result<void>> Writer::take_away(int directory, const char* name, int staging,
                                           const char* new_name) {
  auto kept =
      about_to_destroy({.how = Destruction::kTakeAway, .directory = directory, .name = name});
  if (!kept) co_return kept;
  co_return co_await ring_.renameat2(directory, name, staging, new_name, 0);
}

ring::Task<Result<void>> Writer::overwrite(int fd, std::span<const std::byte> data,
                                           std::uint64_t offset) {
  auto kept =
      about_to_destroy({.how = Destruction::kOverwrite, .fd = fd, .range = {offset, data.size()}});
  if (!kept) co_return kept;
  ring::Task<Result<void>> written = ring_.write_all(fd, data, offset);
  co_return co_await std::move(written);
}

ring::Task<Result<void>> Writer::truncate(int fd, std::uint64_t size) {
  constexpr std::uint64_t kEnd = std::numeric_limits<std::int64_t>::max();
  auto kept =
      about_to_destroy({.how = Destruction::kTruncate, .fd = fd, .range = {size, kEnd - size}});
  if (!kept) co_return kept;
  co_return co_await ring_.ftruncate(fd, size);
}

ring::Task<Result<void>> Writer::allocate(int fd, int mode, ByteRange range) {
  note_change();
  if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0) {
    auto kept = about_to_destroy({.how = Destruction::kPunch, .fd = fd, .range = range});
    if (!kept) co_return kept;
  }
  co_return co_await ring_.fallocate(fd, mode, range);
}

Result<void> Writer::set_owner(int fd, const Metadata& from, const objects::Rights& rights) {
  note_change();
  return objects::set_owner(fd, from, rights);
}

Result<void> Writer::set_mode(int fd, mode_t permissions, const objects::Rights& rights) {
  note_change();
  return objects::set_mode(fd, permissions, rights);
}

Result<void> Writer::set_times(int fd, const Metadata& from, const objects::Rights& rights) {
  note_change();
  return objects::set_times(fd, from, rights);
}

Result<void> Writer::set_xattr(int fd, const char* name, std::string_view value) {
  note_change();
  return objects::set_xattr(fd, name, value);
}

Result<void> Writer::remove_xattr(int fd, const char* name) {
  note_change();
  return objects::remove_xattr(fd, name);
}

Result<objects::Refusal> Writer::apply_attributes(int fd, objects::AttributeSet which,
                                                  const Metadata& source,
                                                  const objects::Xattrs& wanted,
                                                  const objects::Xattrs& present,
                                                  objects::Rights rights) {
  note_change();
  return objects::apply_attributes(fd, which, source, wanted, present, rights);
}

ring::Task<bool> Writer::open_up(int directory, objects::Rights rights) {
  return objects::open_up(ring_, directory, rights);
}

}  // namespace mirrorfs::replica
