#include "engine/copy/staging.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <utility>

#include "engine/copy/leftovers.h"
#include "engine/objects/attributes.h"
#include "engine/replica/writer.h"
#include "engine/ring/ring.h"
#include "mirrorfs/mirror.h"
#include "mirrorfs/object_calls.h"

namespace mirrorfs::copy {
namespace {

constexpr const char* kFolder = "staging";

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

void append_hex(std::string& text, std::uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[value >> shift & 15U];
}

struct Folder {
  objects::DirFd fd;
  bool made;  ///< just now
};

Result<Folder> make_and_open(int dirfd, const char* name) {
  const bool made = ::mkdirat(dirfd, name, 0700) == 0;
  if (!made && errno != EEXIST) return fail_errno("mkdirat", name);
  UniqueFd fd(calls::open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY));
  if (!fd) return fail(-fd.get(), "openat2", name);
  return Folder{objects::DirFd(std::move(fd)), made};
}

/// The only way to learn it is to change it (umask(2)).
mode_t current_umask() {
  const mode_t current = ::umask(0);
  ::umask(current);
  return current;
}

}  // namespace

Staged::Staged(Site site) : site_(std::move(site)) {}

Staged::Staged(Staged&& other) noexcept
    : site_(std::move(other.site_)),
      fd_(std::move(other.fd_)),
      permissions_(other.permissions_),
      owner_(other.owner_) {
  other.site_.dirfd = -1;
}

Staged::~Staged() {
  // Only after a failure, but for links.
  if (site_.dirfd < 0 || ::unlinkat(site_.dirfd, site_.name.c_str(), 0) == 0) return;
  if (errno != ENOENT && !site_.is_target) site_.staging->leave(std::move(site_.name));
}

Staging::Staging(objects::DirFd directory, bool made_reserved, mode_t umask)
    : directory_(std::move(directory)),
      made_reserved_(made_reserved),
      umask_(umask),
      epoch_(now_ns()) {}

Result<Staging> Staging::open(int replica_root) {
  Result<Folder> reserved = make_and_open(replica_root, kReservedName);
  if (!reserved) return pass_on(std::move(reserved));
  Result<Folder> made = make_and_open(reserved->fd.get(), kFolder);
  if (!made) return pass_on(std::move(made));
  objects::DirFd folder = std::move(made->fd);
  // A default ACL of the replica's root would be handed down to everything built here.
  // Neither can be there where the filesystem has no such thing.
  objects::Refusal lacking;
  Result<void> plain = objects::taken_or_refused(
      objects::remove_xattr(folder.get(), "system.posix_acl_default"), lacking);
  if (!plain) return pass_on(std::move(plain));
  Result<void> closed = objects::taken_or_refused(objects::set_mode(folder.get(), 0700), lacking);
  if (!closed) return pass_on(std::move(closed));
  remove_leftovers(folder.get());
  return Staging(std::move(folder), reserved->made, current_umask());
}

bool Staging::remove_if_unpaired(int replica_root) {
  Result<Folder> reserved = make_and_open(replica_root, kReservedName);
  if (!reserved || names_in(reserved->fd.get()) != std::vector<std::string>{kFolder}) return false;
  // Neither is removed while something is left in it: that is for the next start.
  if (::unlinkat(reserved->fd.get(), kFolder, AT_REMOVEDIR) != 0) return false;
  return ::unlinkat(replica_root, kReservedName, AT_REMOVEDIR) == 0;
}

std::string Staging::next_name() {
  std::string name;
  name.reserve(33);
  append_hex(name, epoch_);
  name += '-';
  append_hex(name, counter_++);
  return name;
}

Staged::Site Staging::site_for(const Target& target) {
  if (target.hidden) return {.dirfd = target.dirfd, .name = target.name, .is_target = true};
  return {.dirfd = dirfd(), .name = next_name(), .is_target = false, .staging = this};
}

ring::Task<Result<Staged>> Staging::create_file(replica::Writer& writer, Target target,
                                                mode_t mode) {
  Staged::Site site = site_for(target);
  Result<UniqueFd> fd = co_await writer.create_file(site.dirfd, site.name.c_str(), O_RDWR, mode);
  if (!fd) co_return pass_on(std::move(fd));
  Staged staged(std::move(site));
  staged.fd_ = std::move(*fd);
  staged.permissions_ = mode & ~umask_;
  if (wants_owner_) {
    wants_owner_ = false;
    Result<Metadata> made = co_await writer.ring().statx(staged.fd(), "", AT_EMPTY_PATH);
    if (made) owner_ = objects::Owner{.uid = made->uid, .gid = made->gid};
  }
  staged.owner_ = owner_;
  co_return staged;
}

ring::Task<Result<Staged>> Staging::create_symlink(replica::Writer& writer, Target target,
                                                   const char* link) {
  Staged::Site site = site_for(target);
  Result<void> made = co_await writer.make_symlink(link, site.dirfd, site.name.c_str());
  if (!made) co_return pass_on(std::move(made));
  Staged staged(std::move(site));
  Result<UniqueFd> fd =
      co_await objects::open_path_at(writer.ring(), staged.site_.dirfd, staged.site_.name.c_str());
  if (!fd) co_return pass_on(std::move(fd));
  staged.fd_ = std::move(*fd);
  co_return staged;
}

ring::Task<Result<Staged>> Staging::create_special(replica::Writer& writer, Target target,
                                                   mode_t mode, dev_t rdev) {
  Staged::Site site = site_for(target);
  Result<void> made =
      writer.make_special(site.dirfd, site.name.c_str(), (mode & S_IFMT) | 0600, rdev);
  if (!made) made.error().name = {};
  if (!made) co_return pass_on(std::move(made));
  Staged staged(std::move(site));
  Result<UniqueFd> fd =
      co_await objects::open_path_at(writer.ring(), staged.site_.dirfd, staged.site_.name.c_str());
  if (!fd) co_return pass_on(std::move(fd));
  staged.fd_ = std::move(*fd);
  co_return staged;
}

ring::Task<Result<Staged>> Staging::create_link(replica::Writer& writer, int from,
                                                const char* from_name) {
  Staged::Site site = site_for({-1, nullptr, false});
  site.is_link = true;
  Result<void> made = co_await writer.link(from, from_name, site.dirfd, site.name.c_str());
  if (!made) co_return pass_on(std::move(made));
  co_return Staged(std::move(site));
}

ring::Task<Result<void>> Staging::publish(replica::Writer& writer, Staged& staged, Target target) {
  Staged::Site& site = staged.site_;
  if (staged.fd_.valid()) {
    Result<void> closed = co_await writer.ring().close(std::move(staged.fd_));
    if (!closed) closed.error().name = target.name;
    if (!closed) co_return closed;
  }
  if (site.is_target) {
    site.dirfd = -1;
    co_return Result<void>{};
  }
  Result<void> renamed =
      co_await writer.replace(site.dirfd, site.name.c_str(), target.dirfd, target.name);
  // If both names are of one object, rename removes neither (rename(2)): the destructor does.
  if (renamed && !site.is_link) site.dirfd = -1;
  if (!renamed) renamed.error().name = target.name;
  co_return renamed;
}

}  // namespace mirrorfs::copy
