#include "engine/compare/removals.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "engine/compare/boundaries.h"
#include "engine/objects/dir_fd.h"
#include "engine/objects/listing.h"
#include "mirrorfs/mirror.h"
#include "mirrorfs/object_calls.h"
#include "mirrorfs/unique_fd.h"

namespace mirrorfs::compare {
namespace {

constexpr std::size_t kMostExamples = 3;
constexpr std::uint64_t kFewObjects = 100;

/// A directory of the replica that is still to be listed.
struct Pending {
  std::string path;
  bool in_source;
  bool excused;  ///< what is missing below it was removed through the mount
};

UniqueFd open_in(int root, const std::string& path) {
  const char* const name = path.empty() ? "." : path.c_str();
  return UniqueFd(calls::open_beneath(root, name, O_RDONLY | O_DIRECTORY));
}

bool is_directory(int directory, const objects::Dirent& entry) {
  if (entry.type != DT_UNKNOWN) return entry.type == DT_DIR;
  struct stat status{};
  return ::fstatat(directory, entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(status.st_mode);
}

/// But for what is ours, and what mkfs leaves.
bool has_no_names(int root) {
  const UniqueFd directory = open_in(root, "");
  const auto names = objects::list_directory_now(directory.get());
  return names && std::ranges::all_of(*names, [](const objects::Dirent& entry) {
           return entry.name == kReservedName || entry.name == "lost+found";
         });
}

class Count {
 public:
  Count(int source, int replica, const RemovalRules& rules)
      : source_(source), replica_(replica), rules_(rules) {}

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
    auto theirs = objects::list_directory_now(replica.get());
    if (!theirs) return pass_on(std::move(theirs));
    std::vector<objects::Dirent> ours;
    const UniqueFd source(directory.in_source ? open_in(source_, directory.path) : UniqueFd());
    if (directory.in_source && !source && !objects::means_vanished(-source.get())) {
      return {};  // it cannot be listed, so nothing is removed in it
    }
    if (source) {
      auto listed = objects::list_directory_now(source.get());
      if (!listed) return pass_on(std::move(listed));
      ours = std::move(*listed);
      directory.excused = changed_lately(source.get());
    }
    for (const objects::Dirent& entry : *theirs) note(directory, replica.get(), entry, ours);
    return {};
  }

  void note(const Pending& directory, int replica, const objects::Dirent& entry,
            const std::vector<objects::Dirent>& ours) {
    if (directory.path.empty() && entry.name == kReservedName) return;
    std::string path = directory.path.empty() ? entry.name : directory.path + "/" + entry.name;
    if (rules_.left_alone && rules_.left_alone(path)) return;
    const bool in_source = std::ranges::binary_search(ours, entry.name, {}, &objects::Dirent::name);
    const bool made_by_mkfs = directory.path.empty() && entry.name == "lost+found";
    if (!made_by_mkfs) ++removals_.total;
    if (!in_source && !made_by_mkfs && !directory.excused) {
      ++removals_.removed;
      const bool shown = directory.in_source && removals_.examples.size() < kMostExamples;
      if (shown) removals_.examples.push_back(path);
    }
    if (!is_directory(replica, entry)) return;
    pending_.push_back({std::move(path), in_source, directory.excused && !in_source});
  }

  const int source_, replica_;
  const RemovalRules& rules_;
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
  const RemovalRules rules{.left_alone =
                               [&boundaries](const std::string& path) {
                                 const auto& paths = boundaries.left_alone();
                                 return std::ranges::find(paths, path) != paths.end();
                               },
                           .excused_since = nothing_there ? std::nullopt : check.excused_since};
  const auto removals = count_removals(check.source, check.replica, rules);
  if (!removals) {
    return std::unexpected(fmt::format("replica '{}' cannot be compared with source '{}': {}",
                                       check.replica_path, check.source_path,
                                       removals.error().message()));
  }
  if (!exceeds(*removals, check.limit, nothing_there)) return {};
  return std::unexpected(refusal(*removals, check.limit, check.source_path, check.replica_path));
}

}  // namespace mirrorfs::compare
