#include "engine/compare/removals.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "engine/compare/boundaries.h"
#include "engine/exclude/exclusion.h"
#include "engine/objects/dir_fd.h"
#include "engine/objects/listing.h"
#include "mirrorfs/mirror.h"
#include "mirrorfs/object_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::compare {
namespace {

constexpr std::size_t kMostExamples = 3;
constexpr std::uint64_t kFewObjects = 100;

/// A directory that would be removed, and those above it that would.
struct Removed {
  std::shared_ptr<Removed> above;
  bool counted = false;
  bool stays = false;
};

/// A directory of the replica that is still to be listed.
struct Pending {
  std::string path;
  bool in_source;
  bool excused;  ///< what is missing below it was removed through the mount
  std::shared_ptr<Removed> removed = nullptr;  ///< it would be
};

UniqueFd open_in(int root, const std::string& path) {
  const char* const name = path.empty() ? "." : path.c_str();
  return UniqueFd(calls::open_beneath(root, name, O_RDONLY | O_DIRECTORY));
}

/// Of an entry, without a copy of its name: this runs before every start.
struct Entry {
  std::string_view name;
  unsigned char type;
};

/// In the order of the directory.
Result<void> for_each_entry(int directory, const std::function<void(const Entry&)>& visit) {
  alignas(dirent64) static thread_local std::array<char, 64 << 10> buffer;
  for (;;) {
    const ssize_t size = ::getdents64(directory, buffer.data(), buffer.size());
    if (size < 0) return fail_errno("getdents64");
    if (size == 0) return {};
    for (ssize_t at = 0; at < size;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      at += entry->d_reclen;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") visit({name, entry->d_type});
    }
  }
}

bool is_directory(int directory, const Entry& entry) {
  if (entry.type != DT_UNKNOWN) return entry.type == DT_DIR;
  struct stat status{};
  return ::fstatat(directory, entry.name.data(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(status.st_mode);
}

/// The names of a directory of the source, unless the replica's has the same mtime: then no name
/// came or went since that was mirrored.
class Names {
 public:
  Result<void> read(int source, int replica) {
    struct stat here{}, there{};
    same_ = ::fstat(source, &here) == 0 && ::fstat(replica, &there) == 0 &&
            same_time(here.st_mtim, there.st_mtim);
    replica_ = there;
    if (same_) return {};
    auto listed =
        for_each_entry(source, [this](const Entry& entry) { names_.emplace_back(entry.name); });
    std::ranges::sort(names_);
    return listed;
  }
  [[nodiscard]] bool contain(std::string_view name) const {
    return same_ || std::ranges::binary_search(names_, name);
  }

  /// There is nothing to be found in the replica's, on `device`, where link counts tell so.
  [[nodiscard]] bool are_all_of_a_leaf(dev_t device) const {
    return same_ && replica_.st_dev == device && replica_.st_nlink == 2;
  }

 private:
  bool same_ = false;
  struct stat replica_{};
  std::vector<std::string> names_;
};

/// But for what is ours, and what mkfs leaves.
bool has_no_names(int root) {
  const UniqueFd directory = open_in(root, "");
  const auto names = objects::list_directory_now(directory.get());
  return names && std::ranges::all_of(*names, [](const objects::Dirent& entry) {
           return entry.name == kReservedName || entry.name == "lost+found";
         });
}

/// A directory's link count is 2 and that of its subdirectories.
bool counts_subdirectories(int directory) {
  constexpr std::array<std::uint32_t, 3> kKnown = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, TMPFS_MAGIC};
  struct statfs filesystem{};
  if (::fstatfs(directory, &filesystem) != 0) return false;
  return std::ranges::find(kKnown, static_cast<std::uint32_t>(filesystem.f_type)) != kKnown.end();
}

std::optional<dev_t> device_of(int directory) {
  struct stat status{};
  if (::fstat(directory, &status) != 0) return std::nullopt;
  return status.st_dev;
}

class Count {
 public:
  Count(int source, int replica, const RemovalRules& rules)
      : source_(source), replica_(replica), rules_(rules) {
    if (rules.at_least && counts_subdirectories(replica)) leaves_on_ = device_of(replica);
  }

  Result<Removals> run() {
    pending_.push_back({"", true, false});
    while (!pending_.empty()) {
      Pending next = std::move(pending_.back());
      pending_.pop_back();
      if (auto counted = count(std::move(next)); !counted) return pass_on(std::move(counted));
    }
    return std::move(removals_);
  }

 private:
  /// Names went from the directory since then.
  [[nodiscard]] bool changed_lately(int source) const {
    struct stat status{};
    return rules_.excused_since && ::fstat(source, &status) == 0 &&
           !is_before(status.st_ctim, *rules_.excused_since);
  }

  Result<void> count(Pending directory) {
    const UniqueFd replica = open_in(replica_, directory.path);
    // Gone or unreadable meanwhile: whatever comes of it is for the walk to report.
    if (!replica)
      return directory.path.empty() ? fail(-replica.get(), "openat2", ".") : Result<void>{};
    const UniqueFd source(directory.in_source ? open_in(source_, directory.path) : UniqueFd());
    if (directory.in_source && !source && !objects::means_vanished(-source.get())) {
      return {};  // it cannot be listed, so nothing is removed in it
    }
    Names ours;
    if (source) {
      if (auto listed = ours.read(source.get(), replica.get()); !listed) return listed;
      directory.excused = changed_lately(source.get());
      if (leaves_on_ && ours.are_all_of_a_leaf(*leaves_on_)) {
        removals_.partial = true;
        return {};
      }
    }
    return for_each_entry(replica.get(),
                          [&](const Entry& entry) { note(directory, replica.get(), entry, ours); });
  }

  void note(const Pending& directory, int replica, const Entry& entry, const Names& ours) {
    const bool in_root = directory.path.empty();
    if (in_root && entry.name == kReservedName) return;
    const bool leads_on = is_directory(replica, entry);
    const bool in_source = directory.in_source && ours.contain(entry.name);
    const bool told = leads_on || !in_source || rules_.left_alone;
    std::string path;
    if (told)
      path = in_root ? std::string(entry.name) : fmt::format("{}/{}", directory.path, entry.name);
    if (rules_.left_alone && rules_.left_alone(path, leads_on)) {
      return stay(directory.removed.get());
    }
    const bool made_by_mkfs = in_root && entry.name == "lost+found";
    if (!made_by_mkfs) ++removals_.total;
    const bool counted = !in_source && !made_by_mkfs && !directory.excused;
    if (counted) {
      ++removals_.removed;
      const bool shown = directory.in_source && removals_.examples.size() < kMostExamples;
      if (shown) removals_.examples.push_back(path);
    }
    if (!leads_on) return;
    pending_.push_back({std::move(path), in_source, directory.excused && !in_source});
    if (in_source) return;
    pending_.back().removed = std::make_shared<Removed>(Removed{directory.removed, counted});
  }

  /// They hold what is left alone.
  void stay(Removed* directory) {
    for (; directory != nullptr && !directory->stays; directory = directory->above.get()) {
      directory->stays = true;
      --removals_.total;
      if (directory->counted) --removals_.removed;
    }
  }

  const int source_, replica_;
  const RemovalRules& rules_;
  std::optional<dev_t> leaves_on_;  ///< where directories without subdirectories need not be read
  std::vector<Pending> pending_;
  Removals removals_;
};

}  // namespace

Result<Removals> count_removals(int source_root, int replica_root, const RemovalRules& rules) {
  return Count(source_root, replica_root, rules).run();
}

bool exceeds(const Removals& removals, const RemovalLimit& limit, bool source_empty) {
  if (limit.count) return removals.removed > *limit.count;
  if (limit.percent) {
    return static_cast<double>(removals.removed) * 100 >
           *limit.percent * static_cast<double>(removals.total);
  }
  if (source_empty) return removals.total > 0;
  return removals.total >= kFewObjects && removals.removed > removals.total / 2;
}

/// With a total that may be larger.
static bool may_exceed(const Removals& removals, const RemovalLimit& limit) {
  if (limit.count || limit.percent) return exceeds(removals, limit, false);
  return removals.removed > removals.total / 2;
}

std::string refusal(const Removals& removals, const RemovalLimit& limit, const std::string& source,
                    const std::string& replica) {
  const char* const more = removals.removed > removals.examples.size() ? ", …" : "";
  const std::string rule = limit.count ? fmt::format(", more than --max-delete={}", *limit.count)
                           : limit.percent
                               ? fmt::format(", more than --max-delete={}%", *limit.percent)
                               : std::string();
  return fmt::format(
      "{} of {} objects of replica '{}' are not in source '{}' and would be removed ('{}'{}){}: is "
      "the source's disk mounted? Nothing was changed; look with: mirrorctl sync --dry-run '{}' "
      "'{}', go on with: --max-delete={}",
      removals.removed, removals.total, replica, source, fmt::join(removals.examples, "', '"), more,
      rule, source, replica, removals.removed);
}

std::expected<void, std::string> check_removals(const RemovalCheck& check) {
  const bool nothing_there = has_no_names(check.source);
  if (check.no_count && !nothing_there) return {};
  Boundaries boundaries(check.one_file_system);
  for (const std::string& path : check.inner_mounts) boundaries.learn(check.source, path);
  RemovalRules rules{.left_alone = {},
                     .excused_since = nothing_there ? std::nullopt : check.excused_since};
  const exclude::Exclusion exclusion(check.exclude, {});
  if (!boundaries.left_alone().empty() || !exclusion.empty()) {
    rules.left_alone = [&paths = boundaries.left_alone(), &exclusion](const std::string& path,
                                                                      bool is_directory) {
      return exclusion.leaves_alone(path, std::nullopt, is_directory) ||
             std::ranges::find(paths, path) != paths.end();
    };
  }
  // What is not read makes the total smaller: where that might matter, all of it is read.
  rules.at_least = true;
  auto removals = count_removals(check.source, check.replica, rules);
  if (removals && removals->partial && may_exceed(*removals, check.limit)) {
    rules.at_least = false;
    removals = count_removals(check.source, check.replica, rules);
  }
  if (!removals) {
    return std::unexpected(fmt::format("replica '{}' cannot be compared with source '{}': {}",
                                       check.replica_path, check.source_path,
                                       removals.error().message()));
  }
  if (!exceeds(*removals, check.limit, nothing_there)) return {};
  return std::unexpected(refusal(*removals, check.limit, check.source_path, check.replica_path));
}

}  // namespace mirrorfs::compare
