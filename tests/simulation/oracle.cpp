#include "oracle.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "mirrorfs/unique_fd.h"
#include "strangers.h"

namespace mirrorfs::simulation {
namespace {

constexpr long kGetxattrat = 464;  // Linux 6.13; not yet in this libc's headers
constexpr long kListxattrat = 465;
constexpr std::size_t kBuffer = 64 << 10;

struct XattrArguments {  // struct xattr_args of linux/xattr.h
  std::uint64_t value;
  std::uint32_t size;
  std::uint32_t flags;
};

std::vector<std::string> names_in(int directory) {
  static std::array<char, kBuffer> buffer;
  std::vector<std::string> names;
  for (;;) {
    const long size = ::syscall(SYS_getdents64, directory, buffer.data(), buffer.size());
    if (size <= 0) break;
    for (long at = 0; at < size;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      at += entry->d_reclen;
    }
  }
  std::ranges::sort(names);
  return names;
}

std::map<std::string, std::string> xattrs_of(int directory, const char* name) {
  static std::array<char, kBuffer> list;
  static std::array<char, kBuffer> value;
  std::map<std::string, std::string> found;
  const long size = ::syscall(kListxattrat, directory, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
                              list.data(), list.size());
  for (long at = 0; at < size;) {
    const std::string attribute = list.data() + at;
    XattrArguments arguments{reinterpret_cast<std::uintptr_t>(value.data()),
                             static_cast<std::uint32_t>(value.size()), 0};
    const long got = ::syscall(kGetxattrat, directory, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
                               attribute.c_str(), &arguments, sizeof arguments);
    found[attribute] = std::string(value.data(), static_cast<std::size_t>(std::max(got, 0L)));
    at += static_cast<long>(attribute.size()) + 1;
  }
  return found;
}

std::string target_of(int directory, const char* name) {
  std::array<char, 4096> target;
  const ssize_t size = ::readlinkat(directory, name, target.data(), target.size());
  return {target.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

/// A file's bytes, without reading what are holes.
class Content {
 public:
  Content(int directory, const char* name, std::uint64_t size)
      : fd_(::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)),
        size_(size) {}

  [[nodiscard]] std::uint64_t first_data_from(std::uint64_t at) const {
    const off_t found = ::lseek(fd_.get(), static_cast<off_t>(at), SEEK_DATA);
    return found < 0 ? size_ : static_cast<std::uint64_t>(found);
  }
  [[nodiscard]] std::string_view read(std::uint64_t at, std::array<char, kBuffer>& buffer) const {
    const ssize_t got = ::pread(fd_.get(), buffer.data(), buffer.size(), static_cast<off_t>(at));
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }

 private:
  UniqueFd fd_;
  std::uint64_t size_;
};

/// Where two files of one size first differ.
std::optional<std::uint64_t> first_difference(const Content& left, const Content& right,
                                              std::uint64_t size) {
  static std::array<char, kBuffer> left_buffer;
  static std::array<char, kBuffer> right_buffer;
  std::uint64_t at = 0;
  while (at < size) {
    if (size > kBuffer) at = std::min(left.first_data_from(at), right.first_data_from(at));
    if (at >= size) break;
    const std::string_view ours = left.read(at, left_buffer);
    const std::string_view theirs = right.read(at, right_buffer);
    const auto [mine, other] = std::ranges::mismatch(ours, theirs);
    if (mine != ours.end() || other != theirs.end()) {
      return at + static_cast<std::uint64_t>(mine - ours.begin());
    }
    if (ours.empty()) return at;
    at += ours.size();
  }
  return std::nullopt;
}

class Comparison {
 public:
  Comparison(std::size_t most, const GitRules& rules) : most_(most), rules_(rules) {}

  void roots(int source, int replica) {
    replica_root_ = replica;
    object({source, ""}, {replica, ""}, ".");
  }
  [[nodiscard]] std::vector<std::string> take() {
    check_links();
    return std::move(lines_);
  }

 private:
  struct Place {
    int directory;
    const char* name;
  };

  void tell(const std::string& path, std::string what) {
    if (lines_.size() < most_) lines_.push_back(path + ": " + std::move(what));
  }
  template <class T>
  void same(const std::string& path, const char* field, const T& source, const T& replica) {
    if (source != replica) {
      tell(path, fmt::format("{} is {} on the source, {} on the replica", field, source, replica));
    }
  }

  static std::optional<struct statx> look(const Place& place) {
    struct statx found{};
    const int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    if (::statx(place.directory, place.name, flags, STATX_BASIC_STATS, &found) != 0) {
      return std::nullopt;
    }
    return found;
  }

  void object(const Place& source, const Place& replica, const std::string& path) {
    const auto ours = look(source);
    const auto theirs = look(replica);
    if (excluded(path, ours) || excluded(path, theirs)) return;
    if (!ours && theirs && S_ISDIR(theirs->stx_mode) &&
        holds_only_excluded(replica_root_, path, rules_)) {
      return;
    }
    if (!ours || !theirs) {
      if (ours) tell(path, "is missing on the replica");
      if (theirs) tell(path, "is only on the replica");
      return;
    }
    const unsigned type = ours->stx_mode & S_IFMT;
    if (type != (theirs->stx_mode & S_IFMT)) {
      return same(path, "type", fmt::format("{:o}", ours->stx_mode),
                  fmt::format("{:o}", theirs->stx_mode));
    }
    attributes(*ours, *theirs, path);
    const auto attributes_here = xattrs_of(source.directory, source.name);
    if (attributes_here != xattrs_of(replica.directory, replica.name)) {
      tell(path, "extended attributes differ");
    }
    if (type == S_IFREG) content(source, replica, *ours, *theirs, path);
    if (type == S_IFLNK) {
      same(path, "target", target_of(source.directory, source.name),
           target_of(replica.directory, replica.name));
    }
    if (type == S_IFDIR) return directories(source, replica, path);
    linked(*ours, *theirs, path);
  }

  [[nodiscard]] bool excluded(const std::string& path,
                              const std::optional<struct statx>& there) const {
    return there && path != "." && rules_.excludes(path, S_ISDIR(there->stx_mode));
  }

  void attributes(const struct statx& ours, const struct statx& theirs, const std::string& path) {
    same(path, "mode", fmt::format("{:o}", ours.stx_mode), fmt::format("{:o}", theirs.stx_mode));
    same(path, "uid", ours.stx_uid, theirs.stx_uid);
    same(path, "gid", ours.stx_gid, theirs.stx_gid);
    same(path, "mtime", fmt::format("{}.{:09}", ours.stx_mtime.tv_sec, ours.stx_mtime.tv_nsec),
         fmt::format("{}.{:09}", theirs.stx_mtime.tv_sec, theirs.stx_mtime.tv_nsec));
    same(path, "rdev", fmt::format("{}:{}", ours.stx_rdev_major, ours.stx_rdev_minor),
         fmt::format("{}:{}", theirs.stx_rdev_major, theirs.stx_rdev_minor));
  }

  void content(const Place& source, const Place& replica, const struct statx& ours,
               const struct statx& theirs, const std::string& path) {
    if (ours.stx_size != theirs.stx_size) {
      return same(path, "size", ours.stx_size, theirs.stx_size);
    }
    if (ours.stx_size == 0) return;
    const Content mine(source.directory, source.name, ours.stx_size);
    const Content other(replica.directory, replica.name, ours.stx_size);
    if (const auto at = first_difference(mine, other, ours.stx_size)) {
      tell(path, fmt::format("content differs from byte {}", *at));
    }
  }

  void directories(const Place& source, const Place& replica, const std::string& path) {
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const bool root = path == ".";
    const UniqueFd mine(::openat(source.directory, root ? "." : source.name, kFlags));
    const UniqueFd other(::openat(replica.directory, root ? "." : replica.name, kFlags));
    const std::vector<std::string> ours = names_in(mine.get());
    std::vector<std::string> theirs = names_in(other.get());
    if (root) std::erase(theirs, ".mirrorfs");
    std::vector<std::string> all;
    std::ranges::set_union(ours, theirs, std::back_inserter(all));
    for (const std::string& name : all) {
      object({mine.get(), name.c_str()}, {other.get(), name.c_str()},
             root ? name : path + "/" + name);
    }
  }

  void linked(const struct statx& ours, const struct statx& theirs, const std::string& path) {
    // Of those that are excluded each side has others.
    if (!rules_.any()) same(path, "number of names", ours.stx_nlink, theirs.stx_nlink);
    if (ours.stx_nlink > 1) pairs_.push_back({ours.stx_ino, theirs.stx_ino, path});
  }

  void check_links() {
    std::unordered_map<std::uint64_t, std::uint64_t> to_replica;
    std::unordered_map<std::uint64_t, std::uint64_t> to_source;
    for (const auto& [source, replica, path] : pairs_) {
      const bool one = to_replica.try_emplace(source, replica).first->second == replica &&
                       to_source.try_emplace(replica, source).first->second == source;
      if (!one) tell(path, "is linked with other names on the replica");
    }
  }

  struct LinkedPair {
    std::uint64_t source, replica;
    std::string path;
  };
  const std::size_t most_;
  const GitRules& rules_;
  int replica_root_ = -1;
  std::vector<std::string> lines_;
  std::vector<LinkedPair> pairs_;
};

}  // namespace

std::vector<std::string> differences(int source_root, int replica_root, std::size_t most,
                                     const GitRules& rules) {
  Comparison comparison(most, rules);
  comparison.roots(source_root, replica_root);
  return comparison.take();
}

}  // namespace mirrorfs::simulation
