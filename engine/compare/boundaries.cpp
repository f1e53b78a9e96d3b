#include "engine/compare/boundaries.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <optional>

#include "engine/compare/unchanged.h"
#include "mirrorfs/log.h"
#include "mirrorfs/object_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::compare {
namespace {

// Not in every linux/magic.h.
constexpr std::uint32_t kMqueue = 0x19800202;
constexpr std::uint32_t kConfigfs = 0x62656570;
constexpr std::uint32_t kFusectl = 0x65735543;
constexpr std::uint32_t kRpcPipefs = 0x67596969;

constexpr std::array<std::uint32_t, 20> kNoData = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,        CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
    DEBUGFS_MAGIC,    TRACEFS_MAGIC,      SECURITYFS_MAGIC,   PSTOREFS_MAGIC,
    BPF_FS_MAGIC,     DEVPTS_SUPER_MAGIC, HUGETLBFS_MAGIC,    BINFMTFS_MAGIC,
    EFIVARFS_MAGIC,   SELINUX_MAGIC,      SMACK_MAGIC,        NSFS_MAGIC,
    kMqueue,          kConfigfs,          kFusectl,           kRpcPipefs};

bool is_no_data(int directory, const char* name) {
  const UniqueFd object(::openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct statfs filesystem{};
  if (!object || ::fstatfs(object.get(), &filesystem) != 0) return false;
  return std::ranges::find(kNoData, static_cast<std::uint32_t>(filesystem.f_type)) != kNoData.end();
}

std::optional<Metadata> look(int directory, const char* name) {
  struct statx raw{};
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (::statx(directory, name, flags, Metadata::kStatxMask, &raw) != 0) return std::nullopt;
  return Metadata::from(raw);
}

}  // namespace

/// Up to the deepest directory on the way that the source has: what it lacks there is left alone.
void Boundaries::learn(int source_root, const std::string& path) {
  UniqueFd at(calls::open_beneath(source_root, ".", O_RDONLY | O_DIRECTORY));
  for (std::size_t begin = 0; at;) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const auto parent = look(at.get(), "");
    if (!parent) return;
    const auto object = look(at.get(), name.c_str());
    const Location where{parent->id(), name};
    const bool last = end == path.size();
    if (last || !object || !object->is_directory()) {
      const bool mounted = last && object && is_mount_point(*object);
      if (mounted && is_no_data(at.get(), name.c_str())) left_out_.insert(object->id().device);
      places_[where] = {path, mounted ? object->id() : ObjectId{}};
      if (!mounted || one_file_system_ || left_out_.contains(object->id().device)) {
        left_alone_.push_back(path.substr(0, end));
      }
      return;
    }
    above_.insert(where);
    at = UniqueFd(calls::open_beneath(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY));
    begin = end + 1;
  }
}

void Boundaries::tell(const Location& where, std::string_view what) const {
  if (!told_.insert(where).second) return;
  const auto place = places_.find(where);
  log_warn("'{}' {}", place == places_.end() ? where.name : place->second.path, what);
}

bool Boundaries::leaves_mount(int source_directory, const Location& where,
                              const Metadata& source) const {
  if (one_file_system_) {
    tell(where, "is another filesystem: it is not mirrored (--one-file-system)");
    return true;
  }
  if (is_no_data(source_directory, where.name.c_str())) {
    left_out_.insert(source.id().device);
    tell(where, "is a filesystem of the kernel's own: it holds no data and is not mirrored");
    return true;
  }
  // Known from the start are those that show nothing twice.
  if (!places_.contains(where) && source.id().device == where.parent.device) {
    tell(where,
         "was mounted there from the source's own filesystem while it was mirrored: it may be "
         "met at two places and is not mirrored; unmount it, or mount the mirror again");
    return true;
  }
  return false;
}

bool Boundaries::leaves_alone(int source_directory, const ObjectId& parent, const std::string& name,
                              const Metadata* source) const {
  const bool mounted = source != nullptr && is_mount_point(*source);
  if (!mounted && places_.empty()) return false;
  const Location where{parent, name};
  if (mounted) return leaves_mount(source_directory, where, *source);
  if (places_.contains(where)) {
    tell(where,
         "is not mounted in the source: its copy on the replica stays as it is; to give it "
         "up, remove the copy and start again");
    return true;
  }
  return above_.contains(where) && (source == nullptr || !source->is_directory());
}

bool Boundaries::leaves_alone(const Location& where, const ObjectId& directory) const {
  if (left_out_.contains(directory.device)) return true;
  const auto place = places_.find(where);
  if (place == places_.end()) return false;
  return one_file_system_ || place->second.mounted != directory;
}

}  // namespace mirrorfs::compare
