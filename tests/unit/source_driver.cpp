#include "source_driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mirrorfs/unique_fd.h"

namespace mirrorfs::testing {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

SourceDriver::SourceDriver(std::filesystem::path source, Replicator& replicator)
    : source_(std::move(source)), replicator_(replicator) {}

std::string SourceDriver::full(const std::string& path) const {
  return path.empty() ? source_.string() : (source_ / path).string();
}

std::optional<Metadata> SourceDriver::look(const std::string& path) const {
  struct statx raw{};
  if (::statx(AT_FDCWD, full(path).c_str(), AT_SYMLINK_NOFOLLOW, Metadata::kStatxMask, &raw) != 0) {
    return std::nullopt;
  }
  return Metadata::from(raw);
}

void SourceDriver::learn(const std::string& directory) {
  if (directory.empty()) return;
  const auto metadata = look(directory);
  if (!metadata || !metadata->is_directory() || learnt_.contains(metadata->id())) return;
  const Location where = locate(directory);
  learnt_.insert(metadata->id());
  Intent intent = replicator_.begin({}, std::move(Footprint().object(metadata->id()).entry(where)));
  intent.record(LearnDirectory{.object = metadata->id(), .where = where});
  intent.complete();
}

Location SourceDriver::locate(const std::string& path) {
  const std::string parent = parent_of(path);
  learn(parent);
  const auto metadata = look(parent);
  return {metadata ? metadata->id() : ObjectId{}, name_of(path)};
}

Footprint SourceDriver::footprint_of(const std::string& path, const std::string& other) {
  Footprint footprint;
  if (const auto metadata = look(path)) footprint.object(metadata->id());
  if (!path.empty()) footprint.entry(locate(path));
  if (other.empty()) return footprint;
  if (const auto metadata = look(other)) footprint.object(metadata->id());
  return std::move(footprint.entry(locate(other)));
}

SourceDriver::Turn::Turn(SourceDriver& driver, const std::string& path, const std::string& other)
    : driver_(driver),
      lock_(driver.order_),
      intent_(driver.replicator_.begin({}, driver.footprint_of(path, other))) {}

SourceDriver::Turn::~Turn() { intent_.complete(); }

SequenceNumber SourceDriver::Turn::record(Operation operation) {
  if (driver_.before_record_) std::exchange(driver_.before_record_, nullptr)();
  return intent_.record(std::move(operation));
}

bool SourceDriver::create(const std::string& path, mode_t mode) {
  Turn turn(*this, path);
  const UniqueFd fd(::open(full(path).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode));
  if (!fd) return false;
  const Location where = locate(path);
  turn.record(CreateNode{.object = look(path)->id(),
                         .where = where,
                         .after = *look(path),
                         .parent_after = *look(parent_of(path))});
  return true;
}

bool SourceDriver::make_fifo(const std::string& path) {
  Turn turn(*this, path);
  if (::mkfifo(full(path).c_str(), 0600) != 0) return false;
  const Location where = locate(path);
  turn.record(CreateNode{.object = look(path)->id(),
                         .where = where,
                         .after = *look(path),
                         .parent_after = *look(parent_of(path))});
  return true;
}

bool SourceDriver::mkdir(const std::string& path, mode_t mode) {
  Turn turn(*this, path);
  if (::mkdir(full(path).c_str(), mode) != 0) return false;
  const Location where = locate(path);
  const Metadata after = *look(path);
  learnt_.insert(after.id());
  turn.record(MakeDirectory{.object = after.id(),
                            .where = where,
                            .after = after,
                            .parent_after = *look(parent_of(path))});
  return true;
}

bool SourceDriver::symlink(const std::string& target, const std::string& path) {
  Turn turn(*this, path);
  if (::symlink(target.c_str(), full(path).c_str()) != 0) return false;
  const Location where = locate(path);
  const Metadata after = *look(path);
  turn.record(MakeSymlink{.object = after.id(),
                          .where = where,
                          .target = target,
                          .after = after,
                          .parent_after = *look(parent_of(path))});
  return true;
}

bool SourceDriver::write(const std::string& path, std::uint64_t offset, std::string_view data) {
  Turn turn(*this, path);
  const UniqueFd fd(::open(full(path).c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return false;
  const auto put = ::pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(offset));
  if (put != static_cast<ssize_t>(data.size())) return false;
  const Location where = locate(path);
  const Metadata after = *look(path);
  turn.record(Write{.object = after.id(),
                    .where = where,
                    .offset = offset,
                    .data = Payload(bytes_of(data)),
                    .after = after});
  return true;
}

bool SourceDriver::truncate(const std::string& path, std::uint64_t size) {
  Turn turn(*this, path);
  const auto before = look(path);
  if (!before || !before->is_regular()) return false;
  if (::truncate(full(path).c_str(), static_cast<off_t>(size)) != 0) return false;
  const Location where = locate(path);
  turn.record(Truncate{.object = before->id(), .where = where, .after = *look(path)});
  return true;
}

bool SourceDriver::punch(const std::string& path, ByteRange range) {
  Turn turn(*this, path);
  const UniqueFd fd(::open(full(path).c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK));
  const int flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (!fd || ::fallocate(fd.get(), flags, static_cast<off_t>(range.offset),
                         static_cast<off_t>(range.length)) != 0) {
    return false;
  }
  const Location where = locate(path);
  const Metadata after = *look(path);
  turn.record(Allocate{
      .object = after.id(), .where = where, .flags = flags, .range = range, .after = after});
  return true;
}

bool SourceDriver::chmod(const std::string& path, mode_t mode) {
  Turn turn(*this, path);
  const auto before = look(path);
  if (!before || before->is_symlink() || ::chmod(full(path).c_str(), mode) != 0) return false;
  std::optional<Location> where;
  if (!path.empty()) where = locate(path);
  turn.record(SetAttributes{.object = before->id(),
                            .where = where,
                            .changed = SetAttributes::kMode,
                            .after = *look(path)});
  return true;
}

bool SourceDriver::chown(const std::string& path, uid_t uid, gid_t gid) {
  Turn turn(*this, path);
  if (::lchown(full(path).c_str(), uid, gid) != 0) return false;
  const Metadata after = *look(path);
  turn.record(SetAttributes{.object = after.id(),
                            .where = locate(path),
                            .changed = SetAttributes::kOwner,
                            .after = after});
  return true;
}

bool SourceDriver::set_mtime(const std::string& path, timespec mtime) {
  return set_mtime_at(path, mtime, true);
}

bool SourceDriver::set_mtime_nameless(const std::string& path, timespec mtime) {
  return set_mtime_at(path, mtime, false);
}

bool SourceDriver::set_mtime_at(const std::string& path, timespec mtime, bool named) {
  Turn turn(*this, path);
  const timespec times[2] = {mtime, mtime};
  if (::utimensat(AT_FDCWD, full(path).c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return false;
  std::optional<Location> where;
  if (named && !path.empty()) where = locate(path);
  const Metadata after = *look(path);
  turn.record(SetAttributes{
      .object = after.id(), .where = where, .changed = SetAttributes::kTimes, .after = after});
  return true;
}

bool SourceDriver::set_xattr(const std::string& path, const std::string& name,
                             std::string_view value) {
  Turn turn(*this, path);
  if (::lsetxattr(full(path).c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
    return false;
  }
  const Location where = locate(path);
  const Metadata after = *look(path);
  turn.record(SetXattr{.object = after.id(),
                       .where = where,
                       .name = name,
                       .value = Payload(bytes_of(value)),
                       .after = after});
  return true;
}

bool SourceDriver::remove_xattr(const std::string& path, const std::string& name) {
  Turn turn(*this, path);
  if (::lremovexattr(full(path).c_str(), name.c_str()) != 0) return false;
  const Location where = locate(path);
  const Metadata after = *look(path);
  turn.record(RemoveXattr{.object = after.id(), .where = where, .name = name, .after = after});
  return true;
}

bool SourceDriver::link(const std::string& existing, const std::string& path) {
  Turn turn(*this, path, existing);
  if (::linkat(AT_FDCWD, full(existing).c_str(), AT_FDCWD, full(path).c_str(), 0) != 0) {
    return false;
  }
  const Location old = locate(existing);
  const Location where = locate(path);
  const Metadata after = *look(path);
  turn.record(Link{.object = after.id(),
                   .existing = old,
                   .where = where,
                   .after = after,
                   .parent_after = *look(parent_of(path))});
  return true;
}

bool SourceDriver::unlink(const std::string& path) {
  Turn turn(*this, path);
  const auto before = look(path);
  if (!before || before->is_directory()) return false;
  const Location where = locate(path);
  if (::unlink(full(path).c_str()) != 0) return false;
  turn.record(Unlink{.object = before->id(),
                     .where = where,
                     .last_link = before->nlink == 1,
                     .other_name = {},
                     .parent_after = *look(parent_of(path))});
  return true;
}

bool SourceDriver::rmdir(const std::string& path) {
  Turn turn(*this, path);
  const auto before = look(path);
  if (!before) return false;
  const Location where = locate(path);
  if (::rmdir(full(path).c_str()) != 0) return false;
  turn.record(RemoveDirectory{
      .object = before->id(), .where = where, .parent_after = *look(parent_of(path))});
  return true;
}

bool SourceDriver::rename(const std::string& from, const std::string& to, unsigned flags) {
  Turn turn(*this, from, to);
  const auto moved = look(from);
  const auto replaced = look(to);
  if (!moved) return false;
  const Location old_place = locate(from);
  const Location new_place = locate(to);
  if (::renameat2(AT_FDCWD, full(from).c_str(), AT_FDCWD, full(to).c_str(), flags) != 0) {
    return false;
  }
  Rename rename{.object = moved->id(),
                .type = moved->type(),
                .from = old_place,
                .to = new_place,
                .flags = flags,
                .replaced = {},
                .replaced_type = 0,
                .from_parent_after = *look(parent_of(from)),
                .to_parent_after = *look(parent_of(to))};
  if (replaced) {
    if (replaced->id() == moved->id()) return true;  // two names of one object: nothing happens
    rename.replaced = replaced->id();
    rename.replaced_type = replaced->type();
  }
  turn.record(std::move(rename));
  return true;
}

SequenceNumber SourceDriver::barrier() {
  Turn turn(*this, "");
  return turn.record(Barrier{});
}

}  // namespace mirrorfs::testing
