#include "failing_filesystem.h"

#include <dirent.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <string>

namespace mirrorfs {
namespace {

using State = FailingFilesystem::State;

State& state() { return *static_cast<State*>(fuse_get_context()->private_data); }

std::string below(const char* path) { return state().backing.native() + path; }

int or_errno(long result) { return result < 0 ? -errno : static_cast<int>(result); }

/// Of setting the attribute: refused, or what `set` returns.
template <class Set>
int unless_refused(FailingFilesystem::Attribute which, Set set) {
  const int error = state().refusals[which];
  if (error == 0) return or_errno(set());
  ++state().refused;
  return -error;
}

int descriptor(const fuse_file_info* file) { return static_cast<int>(file->fh); }

void* init(fuse_conn_info*, fuse_config* config) {
  config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
  config->nullpath_ok = 0;
  config->hard_remove = 1;  // what is unlinked while it is open has no other name
  return fuse_get_context()->private_data;
}

int getattr(const char* path, struct stat* status, fuse_file_info*) {
  return or_errno(::lstat(below(path).c_str(), status));
}

int readdir(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*,
            fuse_readdir_flags) {
  DIR* const directory = ::opendir(below(path).c_str());
  if (directory == nullptr) return -errno;
  while (const dirent* entry = ::readdir(directory)) {
    fill(buffer, entry->d_name, nullptr, 0, FUSE_FILL_DIR_DEFAULTS);
  }
  ::closedir(directory);
  return 0;
}

int open_file(const char* path, fuse_file_info* file) {
  const int fd = ::open(below(path).c_str(), file->flags & ~O_NOFOLLOW);
  if (fd < 0) return -errno;
  file->fh = static_cast<std::uint64_t>(fd);
  return 0;
}

int create(const char* path, mode_t mode, fuse_file_info* file) {
  const int fd = ::open(below(path).c_str(), file->flags, mode);
  if (fd < 0) return -errno;
  file->fh = static_cast<std::uint64_t>(fd);
  return 0;
}

/// As long as before, and empty; nothing else tells.
void lose_content(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return;
  const timespec times[2] = {status.st_atim, status.st_mtim};
  const bool lost = ::ftruncate(fd, 0) == 0 && ::ftruncate(fd, status.st_size) == 0;
  if (lost) ::futimens(fd, times);
}

int flush(const char*, fuse_file_info* file) {
  const bool written = (::fcntl(descriptor(file), F_GETFL) & O_ACCMODE) != O_RDONLY;
  const int error = state().close_error;
  if (!written || error == 0) return 0;
  lose_content(descriptor(file));
  return -error;
}

void add_attributes(fuse_operations& calls) {
  calls.chmod = [](const char* path, mode_t mode, fuse_file_info*) {
    return unless_refused(FailingFilesystem::kMode,
                          [&] { return ::chmod(below(path).c_str(), mode); });
  };
  calls.chown = [](const char* path, uid_t uid, gid_t gid, fuse_file_info*) {
    return unless_refused(FailingFilesystem::kOwner,
                          [&] { return ::lchown(below(path).c_str(), uid, gid); });
  };
  calls.utimens = [](const char* path, const timespec times[2], fuse_file_info*) {
    return unless_refused(FailingFilesystem::kTimes, [&] {
      return ::utimensat(AT_FDCWD, below(path).c_str(), times, AT_SYMLINK_NOFOLLOW);
    });
  };
  calls.setxattr = [](const char* path, const char* name, const char* value, std::size_t size,
                      int flags) {
    return unless_refused(FailingFilesystem::kXattr, [&] {
      return ::lsetxattr(below(path).c_str(), name, value, size, flags);
    });
  };
  calls.getxattr = [](const char* path, const char* name, char* value, std::size_t size) {
    return or_errno(::lgetxattr(below(path).c_str(), name, value, size));
  };
  calls.listxattr = [](const char* path, char* names, std::size_t size) {
    return or_errno(::llistxattr(below(path).c_str(), names, size));
  };
  calls.removexattr = [](const char* path, const char* name) {
    return or_errno(::lremovexattr(below(path).c_str(), name));
  };
}

fuse_operations operations() {
  fuse_operations calls{};
  calls.init = init;
  calls.getattr = getattr;
  calls.readdir = readdir;
  calls.open = open_file;
  calls.create = create;
  calls.flush = flush;
  calls.release = [](const char*, fuse_file_info* file) { return ::close(descriptor(file)); };
  calls.read = [](const char*, char* bytes, std::size_t size, off_t at, fuse_file_info* file) {
    return or_errno(::pread(descriptor(file), bytes, size, at));
  };
  calls.write = [](const char*, const char* bytes, std::size_t size, off_t at,
                   fuse_file_info* file) {
    return or_errno(::pwrite(descriptor(file), bytes, size, at));
  };
  calls.truncate = [](const char* path, off_t size, fuse_file_info*) {
    return or_errno(::truncate(below(path).c_str(), size));
  };
  calls.mkdir = [](const char* path, mode_t mode) {
    return or_errno(::mkdir(below(path).c_str(), mode));
  };
  calls.rmdir = [](const char* path) { return or_errno(::rmdir(below(path).c_str())); };
  calls.unlink = [](const char* path) { return or_errno(::unlink(below(path).c_str())); };
  calls.rename = [](const char* from, const char* to, unsigned) {
    return or_errno(::rename(below(from).c_str(), below(to).c_str()));
  };
  calls.link = [](const char* from, const char* to) {
    return or_errno(::link(below(from).c_str(), below(to).c_str()));
  };
  add_attributes(calls);
  return calls;
}

/// What a killed mirror has left open is never released, and libfuse keeps it.
void ignore_leaks_of_this_thread() {
#ifdef __SANITIZE_ADDRESS__
  __lsan_disable();
#endif
}

}  // namespace

FailingFilesystem::FailingFilesystem(const std::filesystem::path& backing,
                                     const std::filesystem::path& mount_point)
    : state_{.backing = backing}, mount_point_(mount_point) {
  std::string name = "failing";
  std::array<char*, 2> words = {name.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, words.data());
  const fuse_operations calls = operations();
  struct fuse* const made = fuse_new(&arguments, &calls, sizeof calls, &state_);
  fuse_opt_free_args(&arguments);
  if (made == nullptr) return;
  if (fuse_mount(made, mount_point.c_str()) != 0) {
    fuse_destroy(made);
    return;
  }
  fuse_ = made;
  loop_ = std::thread([made] {
    ignore_leaks_of_this_thread();
    fuse_loop(made);
  });
}

FailingFilesystem::~FailingFilesystem() {
  if (fuse_ == nullptr) return;
  // Answered in their order: what was released before is released then, and nothing leaks.
  struct stat status{};
  const bool known = ::stat(mount_point_.c_str(), &status) == 0;
  fuse_exit(fuse_);
  fuse_unmount(fuse_);
  // A descriptor that a killed mirror has left open would keep the connection, and the loop in
  // read.
  if (known) {
    std::ofstream("/sys/fs/fuse/connections/" + std::to_string(minor(status.st_dev)) + "/abort")
        << "1";
  }
  loop_.join();
  fuse_destroy(fuse_);
}

}  // namespace mirrorfs
