#include "engine/replica/kept.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/objects/xattrs.h"
#include "mirrorfs/log.h"
#include "mirrorfs/mirror.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::replica {
namespace {

constexpr std::uint64_t kMostTold = 20;
constexpr unsigned kMostNames = 1000;  ///< that one object's copy is tried under

Result<Metadata> look(int directory, const char* name) {
  struct statx raw{};
  const int flags = AT_SYMLINK_NOFOLLOW | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (::statx(directory, name, flags, Metadata::kStatxMask, &raw) != 0) {
    return fail_errno("statx", name);
  }
  return Metadata::from(raw);
}

Result<UniqueFd> make_and_open(int directory, const char* name) {
  if (::mkdirat(directory, name, 0700) != 0 && errno != EEXIST) return fail_errno("mkdirat", name);
  UniqueFd fd(calls::open_beneath(directory, name, O_RDONLY | O_DIRECTORY));
  if (!fd) return fail(-fd.get(), "openat2", name);
  return fd;
}

/// A directory that is there or made: "name", or "name.1" where that is another kind of object:
/// what was kept before may have been a file of that name.
Result<UniqueFd> make_and_open_beside(int directory, const std::string& name, std::string& chosen) {
  chosen = name;
  for (unsigned tries = 1;; ++tries) {
    auto opened = make_and_open(directory, chosen.c_str());
    const bool taken = !opened && (opened.error().code == ENOTDIR || opened.error().code == ELOOP);
    if (!taken || tries > kMostNames) return opened;
    chosen = fmt::format("{}.{}", name, tries);
  }
}

/// Where a descriptor points, as the kernel names it: for the paths of what is kept.
std::string place_of(int fd) {
  const calls::DescriptorName name(fd);
  std::array<char, 4096> target{};
  const ssize_t size =
      ::readlinkat(calls::process_folder(), name.c_str(), target.data(), target.size());
  return size < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

Result<void> copy_bytes(int from, int to) {
  std::array<char, 64 << 10> piece;
  off_t at = 0;
  for (;;) {
    const ssize_t shared = ::copy_file_range(from, &at, to, nullptr, 1UL << 30, 0);
    if (shared > 0) continue;
    if (shared == 0) return {};
    break;  // not between these two
  }
  for (;;) {
    const ssize_t got = ::pread(from, piece.data(), piece.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read");
    if (got == 0) return {};
    for (ssize_t put = 0; put < got;) {
      const ssize_t now =
          ::pwrite(to, piece.data() + put, static_cast<std::size_t>(got - put), at + put);
      if (now < 0 && errno != EINTR) return fail_errno("write");
      if (now > 0) put += now;
    }
    at += got;
  }
}

/// Content, owner, mode and times of a regular file.
Result<void> copy_file(int from, const Metadata& what, int to) {
  if (auto copied = copy_bytes(from, to); !copied) return copied;
  static_cast<void>(calls::change_owner(to, what.uid, what.gid));
  if (const int code = calls::change_mode(to, what.permissions()); code < 0) {
    return fail(-code, "chmod");
  }
  const timespec times[2] = {what.atime, what.mtime};
  if (const int code = calls::change_times(to, times); code < 0) return fail(-code, "utimensat");
  if (::fsync(to) != 0) return fail_errno("fsync");
  return {};
}

/// "name", or "name.1" where that is taken: an object may be lost more than once.
template <class Try>
Result<std::string> under_a_free_name(const char* name, Try attempt) {
  std::string wanted = name;
  for (unsigned tries = 1;; ++tries) {
    if (attempt(wanted.c_str()) == 0) return wanted;
    if (errno != EEXIST || tries > kMostNames) return fail_errno("keep", name);
    wanted = fmt::format("{}.{}", name, tries);
  }
}

Result<std::string> copy_under_a_free_name(int from, const Metadata& what, int folder,
                                           const char* name) {
  UniqueFd to;
  auto made = under_a_free_name(name, [&](const char* as) {
    to = UniqueFd(::openat(folder, as, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    return to ? 0 : -1;
  });
  if (!made) return made;
  if (auto copied = copy_file(from, what, to.get()); !copied) {
    ::unlinkat(folder, made->c_str(), 0);
    return pass_on(std::move(copied));
  }
  return made;
}

}  // namespace

Kept::Kept(int replica_root, std::vector<Window> windows)
    : root_(replica_root), windows_(std::move(windows)), root_path_(place_of(replica_root)) {
  top_name_ = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(windows_.back().until.tv_sec));
}

bool Kept::keeps(const Metadata& object) const {
  return !over_ && std::ranges::any_of(windows_, [&object](const Window& window) {
    return !is_before(object.ctime, window.since) && is_before(object.ctime, window.until);
  });
}

void Kept::end() {
  over_ = true;
  if (count_ > kMostTold) {
    log_warn(
        "{} objects were changed on the replica by somebody else and replaced: they are in "
        "{}/kept/{}",
        count_, kReservedName, top_name_);
  }
}

Result<void> Kept::open_top() {
  if (top_) return {};
  auto reserved = make_and_open(root_, kReservedName);
  if (!reserved) return pass_on(std::move(reserved));
  auto kept = make_and_open(reserved->get(), "kept");
  if (!kept) return pass_on(std::move(kept));
  auto top = make_and_open(kept->get(), top_name_.c_str());
  if (!top) return pass_on(std::move(top));
  top_ = std::move(*top);
  return {};
}

std::string Kept::path_of(int directory) const {
  std::string path = place_of(directory);
  if (!root_path_.empty() && path.starts_with(root_path_)) {
    path.erase(0, root_path_.size());
    if (path.empty() || path.front() == '/') return path.substr(path.empty() ? 0 : 1);
  }
  return "elsewhere";  // moved while it was looked at
}

Result<Kept::Folder> Kept::folder_for(int directory) {
  if (auto opened = open_top(); !opened) return pass_on(std::move(opened));
  Folder folder{.fd = UniqueFd(::fcntl(top_.get(), F_DUPFD_CLOEXEC, 0)), .path = {}};
  if (!folder.fd) return fail_errno("fcntl");
  const std::string path = path_of(directory);
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    std::string chosen;
    auto next = make_and_open_beside(folder.fd.get(), path.substr(at, end - at), chosen);
    if (!next) return pass_on(std::move(next));
    folder.fd = std::move(*next);
    folder.path += chosen + "/";
    at = end + 1;
  }
  return folder;
}

/// `path` of the directory in which it stood.
void Kept::tell(const std::string& path, const Folder& folder, const std::string& kept) {
  if (++count_ > kMostTold) return;
  log_warn(
      "'{}' was changed on the replica by somebody else since the last session: it is kept as "
      "{}/kept/{}/{}{}",
      path, kReservedName, top_name_, folder.path, kept);
}

Result<void> Kept::keep_name(const Doomed& doomed) {
  const auto found = look(doomed.directory, doomed.name);
  if (!found) return found.error().code == ENOENT ? Result<void>{} : std::unexpected(found.error());
  if (!keeps(*found)) return {};
  auto folder = folder_for(doomed.directory);
  if (!folder) return pass_on(std::move(folder));
  Result<std::string> kept;
  if (found->is_directory()) {
    auto made = make_and_open_beside(folder->fd.get(), doomed.name, kept.emplace());
    if (!made) return pass_on(std::move(made));
    static_cast<void>(calls::change_mode(made->get(), found->permissions() | 0700));
  } else {
    // Other names of a file would change the kept one with it.
    const bool shared = found->is_regular() && found->nlink > 1;
    kept = under_a_free_name(doomed.name, [&](const char* as) {
      if (shared) return errno = EPERM, -1;
      return ::linkat(doomed.directory, doomed.name, folder->fd.get(), as, 0);
    });
    if (!kept && found->is_regular()) {
      const UniqueFd from(
          calls::open_beneath(doomed.directory, doomed.name, O_RDONLY | O_NONBLOCK));
      if (!from) return fail(-from.get(), "openat2", doomed.name);
      kept = copy_under_a_free_name(from.get(), *found, folder->fd.get(), doomed.name);
    }
  }
  if (!kept) return pass_on(std::move(kept));
  const std::string path = path_of(doomed.directory);
  tell(path.empty() ? doomed.name : path + "/" + doomed.name, *folder, *kept);
  return {};
}

Result<void> Kept::keep_content(const Doomed& doomed) {
  const auto found = look(doomed.fd, "");
  if (!found) return std::unexpected(found.error());
  if (!found->is_regular() || !keeps(*found)) return {};
  const std::string place = place_of(doomed.fd);
  const std::size_t slash = place.rfind('/');
  const std::string name = slash == std::string::npos ? "file" : place.substr(slash + 1);
  const UniqueFd directory(calls::open_beneath(root_, ".", O_RDONLY | O_DIRECTORY));
  const std::string parent = place.substr(0, slash == std::string::npos ? 0 : slash);
  const bool below = parent.starts_with(root_path_ + "/");
  UniqueFd above(below ? calls::open_beneath(root_, parent.c_str() + root_path_.size() + 1,
                                             O_RDONLY | O_DIRECTORY)
                       : ::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0));
  if (!above) return fail(EIO, "keep", name);
  auto folder = folder_for(above.get());
  if (!folder) return pass_on(std::move(folder));
  const UniqueFd from(calls::reopen(doomed.fd, O_RDONLY));
  if (!from) return fail(-from.get(), "open", name);
  auto kept = copy_under_a_free_name(from.get(), *found, folder->fd.get(), name.c_str());
  if (!kept) return pass_on(std::move(kept));
  const std::string path = path_of(above.get());
  tell(path.empty() ? name : path + "/" + name, *folder, *kept);
  return {};
}

Result<void> Kept::about_to_destroy(const Doomed& doomed) {
  if (over_) return {};
  switch (doomed.how) {
    case Destruction::kUnlink:
    case Destruction::kReplace:
    case Destruction::kRemoveDirectory: return keep_name(doomed);
    case Destruction::kOverwrite:
    case Destruction::kTruncate:
    case Destruction::kPunch: return keep_content(doomed);
    case Destruction::kTakeAway: return {};  // its caller has looked below it
  }
  return {};
}

Result<void> Kept::keep_tree(int directory, const char* name) {
  auto folder = folder_for(directory);
  if (!folder) return pass_on(std::move(folder));
  auto kept = under_a_free_name(name, [&](const char* as) {
    return ::renameat2(directory, name, folder->fd.get(), as, RENAME_NOREPLACE);
  });
  if (!kept) return pass_on(std::move(kept));
  const std::string path = path_of(directory);
  tell(path.empty() ? name : path + "/" + name, *folder, *kept);
  return {};
}

}  // namespace mirrorfs::replica
