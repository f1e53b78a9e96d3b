#include "engine/journal/tree_root.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <cstring>
#include <system_error>
#include <vector>

#include "mirrorfs/error.h"

namespace mirrorfs::journal {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

std::unexpected<std::string> refuse(std::string line) { return std::unexpected(std::move(line)); }

std::string reason() { return std::strerror(errno); }

Result<Metadata> stat_fd(int fd) {
  struct statx raw{};
  if (::statx(fd, "", AT_EMPTY_PATH, Metadata::kStatxMask, &raw) != 0) return fail_errno("statx");
  return Metadata::from(raw);
}

bool same_directory(const Metadata& a, const Metadata& b) {
  return a.dev == b.dev && a.ino == b.ino;
}

/// Whether `inner` lies strictly below `outer`.
StartUp<bool> lies_below(const TreeRoot& inner, const TreeRoot& outer) {
  UniqueFd at(::openat(inner.fd.get(), ".", kDirectoryFlags));
  Metadata here = inner.metadata;
  while (at) {
    UniqueFd above(::openat(at.get(), "..", kDirectoryFlags | O_PATH));
    if (!above) break;
    const auto metadata = stat_fd(above.get());
    if (!metadata) return refuse(metadata.error().message());
    if (same_directory(*metadata, here)) return false;  // the root of the namespace
    if (same_directory(*metadata, outer.metadata)) return true;
    here = *metadata;
    at = std::move(above);
  }
  return refuse(fmt::format("cannot look above {}: {}", inner.path.string(), reason()));
}

StartUp<void> refuse_below(const TreeRoot& inner, const char* inner_role, const TreeRoot& outer,
                           const char* outer_role) {
  const auto below = lies_below(inner, outer);
  if (!below) return refuse(below.error());
  if (*below) {
    return refuse(fmt::format("{} {} lies inside {} {}: choose separate directories", inner_role,
                              inner.path.string(), outer_role, outer.path.string()));
  }
  return {};
}

}  // namespace

StartUp<TreeRoot> open_root(const std::filesystem::path& path, const char* role) {
  TreeRoot root;
  root.fd = UniqueFd(::open(path.c_str(), kDirectoryFlags));
  if (!root.fd) {
    return refuse(
        fmt::format("{} {}: {}: give an existing directory", role, path.string(), reason()));
  }
  const auto metadata = stat_fd(root.fd.get());
  if (!metadata) return refuse(metadata.error().message());
  root.metadata = *metadata;
  std::error_code error;
  root.path = std::filesystem::canonical(path, error);
  if (error) root.path = std::filesystem::absolute(path, error);
  return root;
}

StartUp<void> check_nesting(const TreeRoot& source, const TreeRoot& replica,
                            const TreeRoot* mount_point) {
  if (same_directory(source.metadata, replica.metadata)) {
    return refuse(fmt::format("source and replica are the same directory, {}: choose two",
                              source.path.string()));
  }
  struct Pair {
    const TreeRoot* inner;
    const char* inner_role;
    const TreeRoot* outer;
    const char* outer_role;
  };
  std::vector<Pair> pairs = {{&replica, "replica", &source, "source"},
                             {&source, "source", &replica, "replica"}};
  if (mount_point != nullptr) {
    if (same_directory(mount_point->metadata, replica.metadata)) {
      return refuse(
          fmt::format("mount point and replica are the same directory, {}", replica.path.string()));
    }
    pairs.push_back({mount_point, "mount point", &replica, "replica"});
    pairs.push_back({&replica, "replica", mount_point, "mount point"});
    if (!same_directory(mount_point->metadata, source.metadata)) {
      pairs.push_back({mount_point, "mount point", &source, "source"});
      pairs.push_back({&source, "source", mount_point, "mount point"});
    }
  }
  for (const Pair& pair : pairs) {
    if (auto checked = refuse_below(*pair.inner, pair.inner_role, *pair.outer, pair.outer_role);
        !checked) {
      return checked;
    }
  }
  return {};
}

StartUp<void> check_outside(const std::filesystem::path& directory, const char* role,
                            const TreeRoot& tree, const char* tree_role) {
  std::error_code error;
  std::filesystem::path existing = std::filesystem::absolute(directory, error);
  while (existing.has_relative_path() && !std::filesystem::is_directory(existing, error)) {
    existing = existing.parent_path();
  }
  const auto place = open_root(existing, role);
  if (!place) return refuse(place.error());
  const auto below = lies_below(*place, tree);
  if (!below) return refuse(below.error());
  if (!*below && !same_directory(place->metadata, tree.metadata)) return {};
  return refuse(fmt::format("{} {} lies inside {} {}", role, directory.string(), tree_role,
                            tree.path.string()));
}

}  // namespace mirrorfs::journal
