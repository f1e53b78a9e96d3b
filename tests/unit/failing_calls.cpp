#include "failing_calls.h"

#include "failing_filesystem.h"

#include <dirent.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace mirrorfs {
namespace {

using State = FailingFilesystem::State;

State& state() { return *static_cast<State*>(fuse_get_context()->private_data); }

/// The name that the directory has for this one, if it has one but for the case of its letters.
std::string folded(const std::string& directory, const std::string& name) {
  DIR* const listing = ::opendir(directory.c_str());
  std::string found = name;
  while (const dirent* entry = listing != nullptr ? ::readdir(listing) : nullptr) {
    if (::strcasecmp(entry->d_name, name.c_str()) != 0) continue;
    found = entry->d_name;
    break;
  }
  if (listing != nullptr) ::closedir(listing);
  return found;
}

std::string below(const char* path) {
  const std::string& backing = state().backing.native();
  if (!state().bends.folds_case) return backing + path;
  std::string place = backing;
  for (const auto& part : std::filesystem::path(path).relative_path()) {
    const std::string directory = place;
    place += '/';
    place += folded(directory, part.native());
  }
  return place;
}

/// libfuse knows no path of what was removed while it was open.
std::string below(const char* path, const fuse_file_info* file) {
  return path != nullptr ? below(path) : "/proc/self/fd/" + std::to_string(file->fh);
}

/// 0, or the error that the name gets.
int check_name(const char* path) {
  const std::size_t length = std::filesystem::path(path).filename().native().size();
  return length > state().bends.longest_name ? -ENAMETOOLONG : 0;
}

timespec bent_time(timespec time) {
  const auto& bends = state().bends;
  if (time.tv_nsec == UTIME_NOW || time.tv_nsec == UTIME_OMIT) return time;
  if (time.tv_sec > bends.latest) return {.tv_sec = bends.latest, .tv_nsec = 0};
  const std::int64_t step = bends.seconds_of_times;
  if (step == 0) return time;
  return {.tv_sec = time.tv_sec - time.tv_sec % step, .tv_nsec = 0};
}

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
  config->attr_timeout = config->entry_timeout = state().believed;
  config->negative_timeout = 0;
  config->nullpath_ok = 0;
  config->use_ino = 1;      // the names of one file show one inode
  config->hard_remove = 1;  // what is unlinked while it is open has no other name
  return fuse_get_context()->private_data;
}

int getattr(const char* path, struct stat* status, fuse_file_info* file) {
  if (path == nullptr) return or_errno(::fstat(descriptor(file), status));
  if (const int error = check_name(path); error != 0) return error;
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
  if (const int error = check_name(path); error != 0) return error;
  if (state().bends.ignores_mode) mode = 0755;
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

int link_name(const char* from, const char* to) {
  const auto& bends = state().bends;
  if (bends.no_links) return -EPERM;
  struct stat status{};
  const bool counted = bends.most_links != 0 && ::lstat(below(from).c_str(), &status) == 0;
  if (counted && status.st_nlink >= bends.most_links) return -EMLINK;
  return or_errno(::link(below(from).c_str(), below(to).c_str()));
}

void add_special(fuse_operations& calls) {
  calls.link = link_name;
  calls.mknod = [](const char* path, mode_t mode, dev_t device) {
    if (state().bends.no_special && !S_ISREG(mode)) return -EPERM;
    return or_errno(::mknod(below(path).c_str(), mode, device));
  };
  calls.symlink = [](const char* target, const char* path) {
    if (state().bends.no_special) return -EPERM;
    return or_errno(::symlink(target, below(path).c_str()));
  };
  calls.readlink = [](const char* path, char* target, std::size_t size) {
    const ssize_t length = ::readlink(below(path).c_str(), target, size - 1);
    if (length < 0) return -errno;
    target[length] = '\0';
    return 0;
  };
}

int follow(const char* path) {
  return path == nullptr || state().bends.follows_symlinks ? 0 : AT_SYMLINK_NOFOLLOW;
}

void add_attributes(fuse_operations& calls) {
  calls.chmod = [](const char* path, mode_t mode, fuse_file_info* file) {
    if (state().bends.ignores_mode) return 0;
    return unless_refused(FailingFilesystem::kMode,
                          [&] { return ::chmod(below(path, file).c_str(), mode); });
  };
  calls.chown = [](const char* path, uid_t uid, gid_t gid, fuse_file_info* file) {
    if (state().bends.ignores_owner) return 0;
    return unless_refused(FailingFilesystem::kOwner, [&] {
      return ::fchownat(AT_FDCWD, below(path, file).c_str(), uid, gid, follow(path));
    });
  };
  calls.utimens = [](const char* path, const timespec times[2], fuse_file_info* file) {
    return unless_refused(FailingFilesystem::kTimes, [&] {
      const timespec bent[2] = {bent_time(times[0]), bent_time(times[1])};
      return ::utimensat(AT_FDCWD, below(path, file).c_str(), bent, follow(path));
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

fuse_operations plain_operations() {
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
    return or_errno(::pwrite(descriptor(file), bytes, state().faults.shortened(size), at));
  };
  calls.fsync = [](const char*, int, fuse_file_info*) { return 0; };
  calls.fsyncdir = [](const char*, int, fuse_file_info*) { return 0; };
  calls.truncate = [](const char* path, off_t size, fuse_file_info* file) {
    return or_errno(::truncate(below(path, file).c_str(), size));
  };
  calls.mkdir = [](const char* path, mode_t mode) {
    if (const int error = check_name(path); error != 0) return error;
    return or_errno(::mkdir(below(path).c_str(), mode));
  };
  calls.rmdir = [](const char* path) { return or_errno(::rmdir(below(path).c_str())); };
  calls.unlink = [](const char* path) { return or_errno(::unlink(below(path).c_str())); };
  calls.rename = [](const char* from, const char* to, unsigned flags) {
    if (const int error = check_name(to); error != 0) return error;
    return or_errno(::renameat2(AT_FDCWD, below(from).c_str(), AT_FDCWD, below(to).c_str(), flags));
  };
  add_special(calls);
  add_attributes(calls);
  return calls;
}

const fuse_operations kPlain = plain_operations();

/// The call, unless a fault strikes it.
template <Call call, auto member>
void guard(fuse_operations& calls) {
  calls.*member = [](auto... arguments) -> int {
    const int error = state().faults.strike(call);
    return error != 0 ? -error : (kPlain.*member)(arguments...);
  };
}

}  // namespace

fuse_operations failing_calls() {
  fuse_operations calls = kPlain;
  guard<Call::kLook, &fuse_operations::getattr>(calls);
  guard<Call::kList, &fuse_operations::readdir>(calls);
  guard<Call::kOpen, &fuse_operations::open>(calls);
  guard<Call::kCreate, &fuse_operations::create>(calls);
  guard<Call::kRead, &fuse_operations::read>(calls);
  guard<Call::kWrite, &fuse_operations::write>(calls);
  guard<Call::kSync, &fuse_operations::fsync>(calls);
  guard<Call::kSync, &fuse_operations::fsyncdir>(calls);
  guard<Call::kTruncate, &fuse_operations::truncate>(calls);
  guard<Call::kMakeDirectory, &fuse_operations::mkdir>(calls);
  guard<Call::kRemoveDirectory, &fuse_operations::rmdir>(calls);
  guard<Call::kUnlink, &fuse_operations::unlink>(calls);
  guard<Call::kRename, &fuse_operations::rename>(calls);
  guard<Call::kLink, &fuse_operations::link>(calls);
  guard<Call::kSymlink, &fuse_operations::symlink>(calls);
  guard<Call::kMakeNode, &fuse_operations::mknod>(calls);
  guard<Call::kChangeMode, &fuse_operations::chmod>(calls);
  guard<Call::kChangeOwner, &fuse_operations::chown>(calls);
  guard<Call::kSetTimes, &fuse_operations::utimens>(calls);
  guard<Call::kSetXattr, &fuse_operations::setxattr>(calls);
  guard<Call::kGetXattr, &fuse_operations::getxattr>(calls);
  guard<Call::kListXattrs, &fuse_operations::listxattr>(calls);
  guard<Call::kRemoveXattr, &fuse_operations::removexattr>(calls);
  return calls;
}

}  // namespace mirrorfs
