#include "engine/journal/pairing.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/random.h>

#include <array>
#include <cstring>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/journal/pair_record.h"
#include "mirrorfs/error.h"
#include "mirrorfs/mirror.h"

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

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

StartUp<bool> is_empty_directory(int parent, const char* name) {
  const int fd = ::openat(parent, name, kDirectoryFlags | O_NOFOLLOW);
  if (fd < 0) return false;
  const Directory listing(::fdopendir(fd), ::closedir);
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view found = entry->d_name;
    if (found != "." && found != "..") return false;
  }
  return true;
}

std::string random_id() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

StartUp<UniqueFd> take_lock(int reserved, const TreeRoot& replica) {
  UniqueFd lock(::openat(reserved, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) {
    return refuse(
        fmt::format("cannot open the lock of replica {}: {}", replica.path.string(), reason()));
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return refuse(fmt::format("replica {} is in use by another mirrorfs: stop that one first",
                                replica.path.string()));
    }
    return refuse(fmt::format("cannot lock replica {}: {}", replica.path.string(), reason()));
  }
  return lock;
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

StartUp<bool> is_empty_replica(const TreeRoot& replica) {
  const int fd = ::openat(replica.fd.get(), ".", kDirectoryFlags);
  const Directory listing(fd < 0 ? nullptr : ::fdopendir(fd), ::closedir);
  if (!listing) {
    return refuse(fmt::format("cannot list replica {}: {}", replica.path.string(), reason()));
  }
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || name == kReservedName) continue;
    if (name != "lost+found") return false;
    const auto empty = is_empty_directory(replica.fd.get(), "lost+found");
    if (!empty || !*empty) return false;
  }
  return true;
}

StartUp<Pairing> Pairing::acquire(const TreeRoot& source, const TreeRoot& replica,
                                  const Request& request) {
  auto record = read_pair_record(replica.fd.get());
  if (!record) return refuse(fmt::format("replica {}: {}", replica.path.string(), record.error()));
  const SourceIdentity identity = identity_of(source);
  Pairing pairing;
  pairing.was_paired_ = *record && (*record)->source.same_tree(identity);
  if (!pairing.was_paired_ && !request.adopt) {
    if (*record) {
      return refuse(fmt::format(
          "replica {} is paired with another source ({}): mirroring would delete what {} lacks; "
          "give --adopt if that is intended",
          replica.path.string(), (*record)->source.path, source.path.string()));
    }
    const auto empty = is_empty_replica(replica);
    if (!empty) return refuse(empty.error());
    if (!*empty) {
      return refuse(fmt::format(
          "replica {} is not empty and was never paired with {}: mirroring would delete what the "
          "source lacks; give --adopt if that is intended",
          replica.path.string(), source.path.string()));
    }
  }
  if (::mkdirat(replica.fd.get(), kReservedName, 0700) != 0 && errno != EEXIST) {
    return refuse(fmt::format("cannot write to replica {}: {}", replica.path.string(), reason()));
  }
  pairing.reserved_ =
      UniqueFd(::openat(replica.fd.get(), kReservedName, kDirectoryFlags | O_NOFOLLOW));
  if (!pairing.reserved_) {
    return refuse(
        fmt::format("cannot open {}/{}: {}", replica.path.string(), kReservedName, reason()));
  }
  auto lock = take_lock(pairing.reserved_.get(), replica);
  if (!lock) return refuse(lock.error());
  pairing.lock_ = std::move(*lock);
  if (pairing.was_paired_) {
    pairing.id_ = (*record)->pair_id;
    return pairing;
  }
  pairing.id_ = random_id();
  const PairRecord fresh{.pair_id = pairing.id_, .source = identity};
  if (auto written = write_pair_record(pairing.reserved_.get(), fresh); !written) {
    return refuse(fmt::format("replica {}: {}", replica.path.string(), written.error()));
  }
  return pairing;
}

}  // namespace mirrorfs::journal
