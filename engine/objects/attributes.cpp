#include "engine/objects/attributes.h"

#include <fmt/core.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "mirrorfs/object_calls.h"

namespace mirrorfs::objects {
namespace {

constexpr mode_t kSetIds = S_ISUID | S_ISGID;
constexpr const char* kOwner = "fchown (taken, but stored otherwise)";
constexpr const char* kMode = "fchmod (taken, but stored otherwise)";
constexpr const char* kTimes = "futimens (taken, but stored otherwise)";

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

/// bent() of one call.
Result<void> as_meant(int fd, AttributeSet which, const Metadata& meant, const Rights& rights) {
  Refusal refused = bent(fd, which, meant, rights);
  if (refused) return std::unexpected(std::move(*refused));
  return {};
}

AttributeSet mirrored(AttributeSet which, unsigned mode, const Fidelity& fidelity) {
  if (fidelity.leaves_out_owner(mode)) which.owner = false;
  if (fidelity.leaves_out_mode()) which.mode = false;
  if (fidelity.leaves_out_times(mode)) which.times = false;
  return which;
}

/// Where owners are left out, set-id bits must not act for another one.
mode_t permissions_for(int fd, const Metadata& source, const Rights& rights) {
  if ((source.mode & kSetIds) == 0 || !rights.fidelity.leaves_out_owner(source.mode)) {
    return source.permissions();
  }
  struct stat now{};
  const bool same = ::fstat(fd, &now) == 0 && now.st_uid == source.uid && now.st_gid == source.gid;
  return same ? source.permissions() : source.permissions() & ~kSetIds;
}

}  // namespace

Result<void> set_owner(int fd, const Metadata& from, const Rights& rights) {
  if (rights.fidelity.leaves_out_owner(from.mode)) return {};
  Result<bool> done = try_owner(fd, from.uid, from.gid, rights);
  if (!done) return pass_on(std::move(done));
  return as_meant(fd, {.owner = true}, from, rights);
}

Result<void> set_mode(int fd, mode_t permissions, const Rights& rights) {
  if (rights.fidelity.leaves_out_mode()) return {};
  Result<void> done = as_result(calls::change_mode(fd, permissions), "fchmod");
  if (!done) return done;
  return as_meant(fd, {.mode = true}, {.mode = permissions}, rights);
}

Result<void> set_times(int fd, const Metadata& from, const Rights& rights) {
  if (rights.fidelity.leaves_out_times(from.mode)) return {};
  const timespec times[2] = {from.atime, from.mtime};
  Result<void> done = as_result(calls::change_times(fd, times), "futimens");
  if (!done) return done;
  return as_meant(fd, {.times = true}, from, rights);
}

AttributeSet differing(const Metadata& source, const Xattrs& source_xattrs, const Metadata& replica,
                       const Xattrs& replica_xattrs, Rights rights) {
  AttributeSet which;
  const bool another = source.uid != replica.uid || source.gid != replica.gid;
  which.owner = another && rights.sets_owner(source.mode);
  which.xattrs = source_xattrs != replica_xattrs;
  const bool foreign = another && !rights.sets_owner(source.mode);
  const mode_t wanted = foreign ? source.permissions() & ~kSetIds : source.permissions();
  which.mode =
      !source.is_symlink() && wanted != replica.permissions() && !rights.fidelity.leaves_out_mode();
  which.times = !same_time(source.mtime, replica.mtime) &&
                !rights.fidelity.accepts_time(source.mode, source.mtime, replica.mtime);
  return which;
}

bool times_tell_a_change(const Metadata& source, const Metadata& replica, const Rights& rights) {
  return !same_time(source.mtime, replica.mtime) &&
         !rights.fidelity.replica.times.may_become(source.mtime, replica.mtime);
}

Refusal bent(int fd, AttributeSet which, const Metadata& meant, const Rights& rights) {
  const bool known_form = rights.fidelity.replica.exact;
  if (known_form) {
    const bool told = which.times && !rights.fidelity.tolerated.contains(Loss::kTimes);
    if (told && !rights.fidelity.replica.times.holds(meant.mtime)) return stored_otherwise(kTimes);
    return std::nullopt;
  }
  struct statx raw{};
  if (::statx(fd, "", AT_EMPTY_PATH, Metadata::kStatxMask, &raw) != 0) {
    return Error{errno, "statx", {}};
  }
  const Metadata now = Metadata::from(raw);
  const bool another = meant.uid != now.uid || meant.gid != now.gid;
  if (which.owner && another && rights.sets_owner(now.mode)) return stored_otherwise(kOwner);
  // Set-id bits are left out where the owner is another one.
  if (which.mode && ((meant.mode ^ now.mode) & 07777 & ~kSetIds) != 0 && !now.is_symlink()) {
    return stored_otherwise(kMode);
  }
  const bool as_set = same_time(meant.mtime, now.mtime) ||
                      rights.fidelity.accepts_time(now.mode, meant.mtime, now.mtime);
  if (which.times && !as_set) return stored_otherwise(kTimes);
  return std::nullopt;
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
  which = mirrored(which, source.mode, rights.fidelity);
  mode_t permissions = permissions_for(fd, source, rights);
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
  const bool sets_mode = !source.is_symlink() && !rights.fidelity.leaves_out_mode();
  if (sets_mode && (which.mode || which.xattrs || loses_bits)) {
    Result<void> done =
        taken_or_refused(as_result(calls::change_mode(fd, permissions), "fchmod"), refused);
    if (!done) return pass_on(std::move(done));
  }
  if (which.any() && !rights.fidelity.leaves_out_times(source.mode)) {
    which.times = true;
    Result<void> done = taken_or_refused(set_times(fd, source), refused);
    if (!done) return pass_on(std::move(done));
  }
  if (!refused) refused = bent(fd, which, source, rights);
  return refused;
}

}  // namespace mirrorfs::objects
