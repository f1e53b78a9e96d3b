#include "engine/compare/settled.h"

#include "engine/objects/attributes.h"

namespace mirrorfs::compare {
namespace {

bool untouched_since(const Metadata& object, const timespec& time) {
  return object.ctime.tv_nsec != 0 && is_before(object.ctime, time);
}

}  // namespace

bool is_mount_point(const Metadata& object) {
  constexpr std::uint64_t kMountRoot = STATX_ATTR_MOUNT_ROOT;
  return (object.attributes & kMountRoot) != 0;
}

bool is_settled(const SettledBefore& before, const Metadata& source, const Metadata& replica) {
  return !is_mount_point(source) && !is_mount_point(replica) &&
         roots_are_settled(before, source, replica);
}

bool roots_are_settled(const SettledBefore& before, const Metadata& source,
                       const Metadata& replica) {
  return untouched_since(source, before.source) && untouched_since(replica, before.replica);
}

bool same_by_metadata(const Metadata& source, const Metadata& replica, objects::Rights rights) {
  return source.type() == replica.type() && source.size == replica.size &&
         source.rdev == replica.rdev && !objects::differing(source, {}, replica, {}, rights).any();
}

}  // namespace mirrorfs::compare
