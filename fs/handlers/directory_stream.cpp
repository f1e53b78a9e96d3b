#include "fs/handlers/directory_stream.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mirrorfs::fs {

Result<void> DirectoryStream::seek(off_t offset) {
  if (offset == position_ && offset != 0) return {};
  if (::lseek(fd_.get(), offset, SEEK_SET) < 0) return fail_errno("lseek");
  at_ = filled_ = 0;
  position_ = offset;
  return {};
}

Result<const DirectoryEntry*> DirectoryStream::peek() {
  if (at_ == filled_) {
    if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(kBufferSize);
    const ssize_t count = ::getdents64(fd_.get(), buffer_.get(), kBufferSize);
    if (count < 0) return fail_errno("getdents64");
    at_ = 0;
    filled_ = static_cast<std::size_t>(count);
    if (filled_ == 0) return nullptr;
  }
  // The kernel lays the entries out so (getdents64(2)).
  const auto* const raw = reinterpret_cast<const dirent64*>(buffer_.get() + at_);
  entry_ = {.name = raw->d_name,
            .ino = raw->d_ino,
            .type = static_cast<mode_t>(DTTOIF(raw->d_type)),
            .next_offset = raw->d_off};
  return &entry_;
}

void DirectoryStream::skip() {
  const auto* const raw = reinterpret_cast<const dirent64*>(buffer_.get() + at_);
  position_ = raw->d_off;
  at_ += raw->d_reclen;
}

}  // namespace mirrorfs::fs
