// Removing directories of any depth with two descriptors: each is first moved into the staging
// folder.
#include "engine/copy/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <string>
#include <vector>

#include "engine/objects/attributes.h"
#include "engine/objects/dir_fd.h"
#include "engine/objects/listing.h"
#include "engine/ring/ring.h"

namespace mirrorfs::copy {
namespace {

constexpr std::size_t kRemovalsInFlight = 64;
constexpr int kMostRefills =
    100;  ///< of one removal: operations under way may still create entries there

struct Removal {
  const Context& context;
  std::vector<std::string> waiting;  ///< directories in the staging folder
  std::optional<Error> error;        ///< the first
  int refills = 0;

  void failed(Error&& cause) {
    if (!error) error = std::move(cause);
  }
};

/// An ordinary user cannot move or empty its own directory without write permission.
ring::Task<Result<void>> make_movable(const Context& context, int dirfd, const char* name) {
  if (context.rights.override_access) co_return Result<void>{};
  Result<UniqueFd> object = co_await objects::open_path_at(context.ring, dirfd, name);
  if (!object) co_return pass_on(std::move(object));
  co_return context.writer.set_mode(object->get(), 0700);
}

/// Moves the directory into the staging folder, where it waits to be emptied. `visible`: from the
/// tree, to which everything below it is lost with this call.
ring::Task<Result<void>> move_away(Removal& removal, int dirfd, const char* name, bool visible) {
  const Context& context = removal.context;
  Result<void> movable = co_await make_movable(context, dirfd, name);
  if (!movable) co_return movable;
  std::string moved = context.staging->next_name();
  const int staging = context.staging->dirfd();
  Result<void> renamed;
  if (visible) {
    renamed = co_await context.writer.take_away(dirfd, name, staging, moved.c_str());
  } else {
    renamed = co_await context.writer.move_in_staging(dirfd, name, staging, moved.c_str());
  }
  if (!renamed) {
    renamed.error().name = name;
    co_return renamed;
  }
  removal.waiting.push_back(std::move(moved));
  co_return Result<void>{};
}

/// Whether something below must not be lost. Stops at the first.
ring::Task<Result<bool>> holds_what_is_kept(const Context& context, int dirfd, std::string name) {
  std::vector<std::string> waiting{std::move(name)};
  while (!waiting.empty()) {
    const std::string path = std::move(waiting.back());
    waiting.pop_back();
    Result<UniqueFd> directory =
        co_await context.ring.open(dirfd, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) co_return pass_on(std::move(directory));
    Result<std::vector<objects::Dirent>> children =
        co_await objects::list_directory(context.ring, directory->get());
    if (!children) co_return pass_on(std::move(children));
    for (const objects::Dirent& child : *children) {
      Result<Metadata> found = co_await context.ring.statx(directory->get(), child.name.c_str());
      if (!found && found.error().code == ENOENT) continue;
      if (!found) co_return pass_on(std::move(found));
      if (found->is_directory()) {
        waiting.push_back(path + "/" + child.name);
      } else if (context.writer.keeps(*found)) {
        co_return true;
      }
    }
  }
  co_return false;
}

ring::Task<void> remove_child(Removal& removal, int dirfd, const objects::Dirent& child,
                              ring::Permit permit) {
  const ring::Permit held = std::move(permit);
  const char* name = child.name.c_str();
  if (child.type != DT_DIR) {
    Result<void> gone = co_await removal.context.writer.discard(dirfd, name, 0);
    if (gone || gone.error().code == ENOENT) co_return;
    if (gone.error().code != EISDIR) co_return removal.failed(std::move(gone.error()));
  }
  Result<void> moved = co_await move_away(removal, dirfd, name, false);
  if (!moved) removal.failed(std::move(moved.error()));
}

ring::Task<Result<void>> empty_directory(Removal& removal, const std::string& name) {
  const Context& context = removal.context;
  Result<objects::DirFd> directory =
      co_await objects::open_dir_at(context.ring, context.staging->dirfd(), name.c_str());
  if (!directory) co_return pass_on(std::move(directory));
  Result<std::vector<objects::Dirent>> children =
      co_await objects::list_directory(context.ring, directory->get());
  if (!children) co_return pass_on(std::move(children));
  ring::Semaphore depth(kRemovalsInFlight);
  ring::TaskGroup group(context.ring);
  for (const objects::Dirent& child : *children) {
    ring::Permit permit = co_await depth.acquire();
    group.spawn(remove_child(removal, directory->get(), child, std::move(permit)));
  }
  co_await group.join();
  Result<void> gone =
      co_await context.writer.discard(context.staging->dirfd(), name.c_str(), AT_REMOVEDIR);
  co_return gone;
}

}  // namespace

ring::Task<Result<void>> remove_tree(Context context, int dirfd, const char* name) {
  Removal removal{context, {}, {}};
  if (context.writer.has_keeper() && dirfd != context.staging->dirfd()) {
    Result<bool> holds = co_await holds_what_is_kept(context, dirfd, name);
    if (!holds) co_return pass_on(std::move(holds));
    Result<void> movable;
    if (*holds) movable = co_await make_movable(context, dirfd, name);
    if (!movable) co_return movable;
    if (*holds) co_return context.writer.keep_tree(dirfd, name);
  }
  Result<void> moved = co_await move_away(removal, dirfd, name, dirfd != context.staging->dirfd());
  if (!moved) co_return moved;
  while (!removal.waiting.empty()) {
    const std::string next = std::move(removal.waiting.back());
    removal.waiting.pop_back();
    Result<void> emptied = co_await empty_directory(removal, next);
    if (emptied) continue;
    const bool refilled = emptied.error().code == ENOTEMPTY && !removal.error;
    if (refilled && ++removal.refills <= kMostRefills) {
      removal.waiting.push_back(next);
    } else {
      context.staging->leave(next);
      removal.failed(std::move(emptied.error()));
    }
  }
  if (removal.error) co_return std::unexpected(std::move(*removal.error));
  co_return Result<void>{};
}

ring::Task<Result<void>> clear_leftovers(Context context) {
  Staging& staging = *context.staging;
  Result<void> result;
  for (std::string& name : staging.take_leftovers()) {
    Result<void> gone = co_await context.writer.discard(staging.dirfd(), name.c_str(), 0);
    if (gone || gone.error().code == ENOENT) continue;
    if (gone.error().code == EISDIR) {
      const std::size_t before = staging.leftovers();
      gone = co_await remove_tree(context, staging.dirfd(), name.c_str());
      if (gone) continue;
      result = gone;
      if (staging.leftovers() > before) continue;
    }
    result = gone;
    staging.leave(std::move(name));
  }
  co_return result;
}

}  // namespace mirrorfs::copy
