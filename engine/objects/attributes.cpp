#include "engine/objects/attributes.h"

#include <fmt/core.h>

#include <cerrno>

#include "mirrorfs/object_calls.h"

namespace mirrorfs::objects {
namespace {

constexpr mode_t kSetIds = S_ISUID | S_ISGID;

Result<void> as_result(int result, const char* operation) {
  if (result < 0) return fail(-result, operation);
  return {};
}

/// Whether the object now has that owner and group; false only where `rights` do not allow it.
Result<bool> try_owner(int fd, uid_t uid, gid_t gid, Rights rights) {
  const int result = calls::change_owner(fd, uid, gid);
  if (result == 0) return true;
  if (result != -EPERM || rights.change_owner) return fail(-result, "fchown");
  // The owner may still give the object to one of its own groups (chown(2)).
  const int group_only = calls::change_owner(fd, static_cast<uid_t>(-1), gid);
  if (group_only < 0 && group_only != -EPERM) return fail(-group_only, "fchown");
  return false;
}

}  // namespace

Result<void> set_owner(int fd, uid_t uid, gid_t gid, Rights rights) {
  Result<bool> done = try_owner(fd, uid, gid, rights);
  if (!done) return pass_on(std::move(done));
  return {};
}

Result<void> set_mode(int fd, mode_t permissions) {
  return as_result(calls::change_mode(fd, permissions), "fchmod");
}

Result<void> set_times(int fd, const Metadata& from) {
  const timespec times[2] = {from.atime, from.mtime};
  return as_result(calls::change_times(fd, times), "futimens");
}

AttributeSet differing(const Metadata& source, const Xattrs& source_xattrs, const Metadata& replica,
                       const Xattrs& replica_xattrs, Rights rights) {
  AttributeSet which;
  which.owner = rights.change_owner && (source.uid != replica.uid || source.gid != replica.gid);
  which.xattrs = source_xattrs != replica_xattrs;
  const bool foreign =
      !rights.change_owner && (source.uid != replica.uid || source.gid != replica.gid);
  const mode_t wanted = foreign ? source.permissions() & ~kSetIds : source.permissions();
  which.mode = !source.is_symlink() && wanted != replica.permissions();
  which.times = !same_time(source.mtime, replica.mtime);
  return which;
}

AttributeSet to_set_on_new(const Metadata& source, const Xattrs& wanted, mode_t permissions,
                           const std::optional<Owner>& owner) {
  return {.owner = owner != Owner{.uid = source.uid, .gid = source.gid},
          .xattrs = !wanted.empty(),
          .mode = source.permissions() != permissions,
          .times = true};
}

std::string describe(AttributeSet which, const Metadata& source, const Metadata& replica) {
  std::string text;
  const auto add = [&text](const std::string& what) {
    if (!text.empty()) text += ", ";
    text += what;
  };
  if (which.owner) {
    add(fmt::format("owner {}:{} != {}:{}", source.uid, source.gid, replica.uid, replica.gid));
  }
  if (which.mode) {
    add(fmt::format("mode {:04o} != {:04o}", source.permissions(), replica.permissions()));
  }
  if (which.xattrs) add("xattrs");
  if (which.times) {
    add(fmt::format("mtime {}.{:09} != {}.{:09}", source.mtime.tv_sec, source.mtime.tv_nsec,
                    replica.mtime.tv_sec, replica.mtime.tv_nsec));
  }
  return text;
}

Result<Refusal> apply_attributes(int fd, AttributeSet which, const Metadata& source,
                                 const Xattrs& wanted, const Xattrs& present, Rights rights) {
  Refusal refused;
  mode_t permissions = source.permissions();
  if (which.owner) {
    Result<bool> owned = try_owner(fd, source.uid, source.gid, rights);
    // Set-id bits act for an owner; where it could not be set, no other owner may get them.
    if (!owned || !*owned) permissions &= ~kSetIds;
    if (!owned && !is_refusal(owned.error())) return pass_on(std::move(owned));
    if (!owned) refused = std::move(owned).error();
  }
  if (which.xattrs || which.owner) {
    // A new owner loses file capabilities, so they count as absent.
    Xattrs left = present;
    if (which.owner) {
      std::erase_if(left, [](const Xattr& one) { return one.name == "security.capability"; });
    }
    Result<Refusal> done = make_xattrs_equal(fd, wanted, left);
    if (!done) return done;
    if (!refused) refused = std::move(*done);
  }
  // chown(2) clears set-id bits, an ACL is a second notation of the mode.
  const bool loses_bits = which.owner && (source.permissions() & kSetIds) != 0;
  if (!source.is_symlink() && (which.mode || which.xattrs || loses_bits)) {
    Result<void> done = taken_or_refused(set_mode(fd, permissions), refused);
    if (!done) return pass_on(std::move(done));
  }
  if (which.any()) {
    Result<void> done = taken_or_refused(set_times(fd, source), refused);
    if (!done) return pass_on(std::move(done));
  }
  return refused;
}

}  // namespace mirrorfs::objects
