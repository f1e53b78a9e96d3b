// The handlers, one file per family. Each answers its request or puts it aside; what it throws is
// answered with EIO. Those that change the source are given room in the queue.
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <cstddef>
#include <memory>
#include <span>

#include "fs/handlers/filesystem.h"

namespace mirrorfs::fs {

struct OwnedBytes {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t size = 0;
};

// lookup.cpp
void handle_lookup(FuseRequest& request, Filesystem& fs, fuse_ino_t parent, const char* name);
void handle_forget(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::uint64_t lookups);
void handle_forget_multi(FuseRequest& request, Filesystem& fs, std::size_t count,
                         fuse_forget_data* forgets);

// attributes.cpp
void handle_getattr(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file);
void handle_statx(FuseRequest& request, Filesystem& fs, fuse_ino_t id, int flags, int mask,
                  fuse_file_info* file);
void handle_setattr(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                    struct stat* wanted, int to_set, fuse_file_info* file);
void handle_statfs(FuseRequest& request, Filesystem& fs, fuse_ino_t id);
void handle_readlink(FuseRequest& request, Filesystem& fs, fuse_ino_t id);

// creation.cpp
void handle_mkdir(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                  const char* name, mode_t mode);
void handle_mknod(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                  const char* name, mode_t mode, dev_t device);
void handle_symlink(FuseRequest& request, Filesystem& fs, Admission admission, const char* target,
                    fuse_ino_t parent, const char* name);

// opening.cpp
void handle_create(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                   const char* name, mode_t mode, fuse_file_info* file);
void handle_tmpfile(FuseRequest& request, Filesystem& fs, fuse_ino_t parent, mode_t mode,
                    fuse_file_info* file);
void handle_open(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file);
void handle_open_truncating(FuseRequest& request, Filesystem& fs, Admission admission,
                            fuse_ino_t id, fuse_file_info* file);
void handle_flush(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file);
void handle_release(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file);

// data.cpp
void handle_read(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::size_t size,
                 off_t offset, fuse_file_info* file);
[[nodiscard]] Result<OwnedBytes> take_data(fuse_bufvec& data);
void handle_write(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                  OwnedBytes data, off_t offset, fuse_file_info* file);
void handle_fsync(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                  int data_only, fuse_file_info* file);
void handle_lseek(FuseRequest& request, Filesystem& fs, fuse_ino_t id, off_t offset, int whence,
                  fuse_file_info* file);

// space.cpp
inline constexpr std::size_t kCopyPiece = 1UL << 20;  ///< of a copy: one Write operation
void handle_fallocate(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                      int mode, off_t offset, off_t length, fuse_file_info* file);
void handle_copy_file_range(FuseRequest& request, Filesystem& fs, Admission admission,
                            fuse_ino_t from_id, off_t from_offset, fuse_file_info* from,
                            fuse_ino_t to_id, off_t to_offset, fuse_file_info* to, std::size_t size,
                            int flags);

// namespace.cpp
void handle_unlink(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                   const char* name);
void handle_rmdir(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                  const char* name);
void handle_link(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                 fuse_ino_t parent, const char* name);

// renaming.cpp
void handle_rename(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t from,
                   const char* from_name, fuse_ino_t to, const char* to_name, unsigned flags);

// directories.cpp
void handle_opendir(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file);
void handle_readdir(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::size_t size,
                    off_t offset, fuse_file_info* file);
void handle_readdirplus(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::size_t size,
                        off_t offset, fuse_file_info* file);
void handle_releasedir(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file);
void handle_fsyncdir(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                     int data_only, fuse_file_info* file);

// xattr.cpp
void handle_setxattr(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                     const char* name, std::span<const std::byte> value, int flags);
void handle_getxattr(FuseRequest& request, Filesystem& fs, fuse_ino_t id, const char* name,
                     std::size_t size);
void handle_listxattr(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::size_t size);
void handle_removexattr(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                        const char* name);

// control.cpp
void handle_ioctl(FuseRequest& request, Filesystem& fs, fuse_ino_t id, unsigned command, void* arg,
                  fuse_file_info* file, unsigned flags, const void* in, std::size_t in_size,
                  std::size_t out_size);

/// The table of callbacks for fuse_session_new(); its user data is the Filesystem.
void fill_callbacks(fuse_lowlevel_ops& table);

}  // namespace mirrorfs::fs
