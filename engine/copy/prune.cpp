// Where something is excluded, directories are pruned in place: in the staging folder a crash would
// lose what is not ours.
#include "engine/copy/prune.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <vector>

#include "engine/copy/remove_tree.h"
#include "engine/objects/dir_fd.h"
#include "engine/objects/listing.h"
#include "engine/ring/ring.h"
#include "mirrorfs/log.h"

namespace mirrorfs::copy {
namespace {

/// The directories of a tree, by their paths from the directory above it.
struct Tree {
  const Context& context;
  const int dirfd;
  const std::string name;              ///< of its uppermost directory
  const std::string path;              ///< of that, from the replica's root
  std::set<std::string> leading = {};  ///< those that lead to what is excluded
  std::size_t included = 0;            ///< objects, the uppermost directory included

  /// Of an object, from the replica's root.
  [[nodiscard]] std::string full(const std::string& below) const {
    return path + below.substr(name.size());
  }
  void leads_to_excluded(std::string directory) {
    while (leading.insert(directory).second && directory.size() > name.size()) {
      directory.resize(directory.rfind('/'));
    }
  }
};

ring::Task<Result<UniqueFd>> try_open(const Context& context, int parent, const std::string& name) {
  Result<UniqueFd> opened =
      co_await context.ring.open(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  co_return opened;
}

/// An ordinary user may have to give itself the right to.
ring::Task<Result<UniqueFd>> open_child(const Context& context, int parent, std::string name) {
  Result<UniqueFd> opened = co_await try_open(context, parent, name);
  const bool denied = !opened && opened.error().code == EACCES;
  if (!denied || context.rights.override_access) co_return opened;
  Result<UniqueFd> object = co_await objects::open_path_at(context.ring, parent, name.c_str());
  if (!object) co_return object;
  Result<void> changed = context.writer.set_mode(object->get(), 0700);
  if (!changed) co_return pass_on(std::move(changed));
  opened = co_await try_open(context, parent, name);
  co_return opened;
}

/// Name by name: a symlink that somebody puts in the way must not lead out of the replica.
ring::Task<Result<UniqueFd>> open_directory(const Tree& tree, std::string path) {
  UniqueFd at;
  std::size_t from = 0;
  while (from < path.size()) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    const int parent = at ? at.get() : tree.dirfd;
    Result<UniqueFd> opened =
        co_await open_child(tree.context, parent, path.substr(from, end - from));
    if (!opened) co_return opened;
    at = std::move(*opened);
    from = end + 1;
  }
  co_return Result<UniqueFd>(std::move(at));
}

struct Child {
  std::string name;
  bool is_directory;
};

/// Those that are not excluded; the others are counted out.
ring::Task<Result<std::vector<Child>>> included_children(Tree& tree, int directory,
                                                         std::string path) {
  ring::Ring& ring = tree.context.ring;
  Result<std::vector<objects::Dirent>> listed = co_await objects::list_directory(ring, directory);
  if (!listed) co_return pass_on(std::move(listed));
  std::vector<Child> included;
  for (objects::Dirent& child : *listed) {
    bool is_directory = child.type == DT_DIR;
    if (child.type == DT_UNKNOWN) {
      const Result<Metadata> found = co_await ring.statx(directory, child.name.c_str());
      if (!found && found.error().code == ENOENT) continue;
      if (!found) co_return std::unexpected(found.error());
      is_directory = found->is_directory();
    }
    const std::string below = path + "/" + child.name;
    if (tree.context.exclusion->patterns().matches(tree.full(below), is_directory)) {
      tree.leads_to_excluded(path);
    } else {
      included.push_back({std::move(child.name), is_directory});
    }
  }
  co_return included;
}

/// Fills in `leading` and `included`.
ring::Task<Result<void>> look_below(Tree& tree) {
  std::vector<std::string> waiting{tree.name};
  while (!waiting.empty()) {
    const std::string path = std::move(waiting.back());
    waiting.pop_back();
    ++tree.included;
    Result<UniqueFd> directory = co_await open_directory(tree, path);
    if (!directory && directory.error().code == ENOENT && path != tree.name) continue;
    if (!directory) co_return pass_on(std::move(directory));
    Result<std::vector<Child>> children = co_await included_children(tree, directory->get(), path);
    if (!children) co_return pass_on(std::move(children));
    for (const Child& child : *children) {
      if (child.is_directory) {
        waiting.push_back(path + "/" + child.name);
      } else {
        ++tree.included;
      }
    }
  }
  co_return Result<void>{};
}

/// All in one directory that neither is excluded nor leads to what is.
ring::Task<Result<void>> prune_one(Tree& tree, std::string path) {
  Result<UniqueFd> directory = co_await open_directory(tree, path);
  if (!directory) co_return pass_on(std::move(directory));
  static_cast<void>(co_await tree.context.writer.open_up(directory->get(), tree.context.rights));
  Result<std::vector<Child>> children = co_await included_children(tree, directory->get(), path);
  if (!children) co_return pass_on(std::move(children));
  for (const Child& child : *children) {
    if (tree.leading.contains(path + "/" + child.name)) continue;
    Result<void> gone;
    if (child.is_directory) {
      gone = co_await remove_tree(tree.context, directory->get(), child.name.c_str());
    } else {
      gone = co_await tree.context.writer.unlink(directory->get(), child.name.c_str());
    }
    if (!gone && gone.error().code != ENOENT) co_return gone;
  }
  co_return Result<void>{};
}

}  // namespace

ring::Task<Result<Holdings>> look_for_excluded(Context context, int dirfd, std::string name,
                                               std::string path) {
  Tree tree{.context = context, .dirfd = dirfd, .name = std::move(name), .path = std::move(path)};
  Result<void> looked = co_await look_below(tree);
  if (!looked) co_return pass_on(std::move(looked));
  const std::size_t own = std::max<std::size_t>(tree.leading.size(), 1);
  co_return Holdings{.excluded = !tree.leading.empty(), .others = tree.included > own};
}

ring::Task<Result<bool>> remove_included(Context context, int dirfd, std::string name,
                                         std::string path) {
  Tree tree{.context = context, .dirfd = dirfd, .name = std::move(name), .path = std::move(path)};
  if (context.excludes_anything()) {
    Result<void> looked = co_await look_below(tree);
    if (!looked) co_return pass_on(std::move(looked));
  }
  if (tree.leading.empty()) {
    Result<void> removed = co_await remove_tree(context, dirfd, tree.name.c_str());
    if (!removed) co_return pass_on(std::move(removed));
    co_return true;
  }
  const std::set<std::string> leading = tree.leading;
  for (const std::string& directory : leading) {
    Result<void> pruned = co_await prune_one(tree, directory);
    if (!pruned) co_return pass_on(std::move(pruned));
  }
  log_repeating(LogLevel::kInfo, "left alone",
                fmt::format("'{}' stays on the replica for what is excluded in it", tree.path));
  co_return false;
}

}  // namespace mirrorfs::copy
