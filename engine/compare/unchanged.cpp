#include "engine/compare/unchanged.h"

#include "engine/objects/attributes.h"

namespace mirrorfs::compare {
namespace {

bool unchanged_since(const Metadata& object, const timespec& time) {
  return object.ctime.tv_nsec != 0 && is_before(object.ctime, time);
}

}  // namespace

bool is_mount_point(const Metadata& object) {
  constexpr std::uint64_t kMountRoot = STATX_ATTR_MOUNT_ROOT;
  return (object.attributes & kMountRoot) != 0;
}

bool is_unchanged(const UnchangedSince& before, const Metadata& source, const Metadata& replica) {
  return !is_mount_point(source) && !is_mount_point(replica) &&
         roots_are_unchanged(before, source, replica);
}

bool roots_are_unchanged(const UnchangedSince& before, const Metadata& source,
                         const Metadata& replica) {
  return unchanged_since(source, before.source) && unchanged_since(replica, before.replica);
}

bool same_by_metadata(const Metadata& source, const Metadata& replica, objects::Rights rights) {
  return source.type() == replica.type() && source.size == replica.size &&
         source.rdev == replica.rdev && !objects::differing(source, {}, replica, {}, rights).any();
}

}  // namespace mirrorfs::compare
