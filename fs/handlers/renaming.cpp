// rename, with RENAME_NOREPLACE and RENAME_EXCHANGE.
#include <fcntl.h>
#include <stdio.h>

#include "fs/handlers/child_locks.h"
#include "fs/handlers/creation.h"
#include "fs/handlers/handlers.h"
#include "fs/handlers/recording.h"

namespace mirrorfs::fs {
namespace {

struct Renaming {
  NewName from;
  NewName to;
  unsigned flags;
  std::optional<Child> moved;
  std::optional<Child> replaced;  ///< what stands at `to`

  [[nodiscard]] bool exchanges() const { return (flags & RENAME_EXCHANGE) != 0; }
  /// Two names of one object: rename(2) does nothing and succeeds.
  [[nodiscard]] bool same_object() const { return replaced && replaced->node == moved->node; }
};

Result<void> look_at_both(Filesystem& fs, Renaming& renaming) {
  auto moved = look_at_child(fs, renaming.from.directory->get(), renaming.from.name);
  if (!moved) return pass_on(std::move(moved));
  if (!*moved) return fail(ENOENT, "renameat2", renaming.from.name);
  auto replaced = look_at_child(fs, renaming.to.directory->get(), renaming.to.name);
  if (!replaced) return pass_on(std::move(replaced));
  renaming.moved = std::move(*moved);
  renaming.replaced = std::move(*replaced);
  return {};
}

Result<bool> both_still_mean(Filesystem& fs, Renaming& renaming) {
  auto same = still_means(fs, renaming.from.directory->get(), renaming.from.name, renaming.moved);
  if (!same || !*same) return same;
  return still_means(fs, renaming.to.directory->get(), renaming.to.name, renaming.replaced);
}

void move_names(Filesystem& fs, const Renaming& renaming) {
  const auto& [from, to, flags, moved, replaced] = renaming;
  if (replaced) {
    fs.nodes.remove_name(replaced->node, to.parent, to.name);
    if (renaming.exchanges()) fs.nodes.add_name(replaced->node, from.parent, from.name);
  }
  fs.nodes.remove_name(moved->node, from.parent, from.name);
  fs.nodes.add_name(moved->node, to.parent, to.name);
}

Rename describe(const Renaming& renaming, const Metadata& from_after, const Metadata& to_after) {
  Rename operation{.object = renaming.moved->node->object(),
                   .type = renaming.moved->metadata.type(),
                   .from = {renaming.from.parent->object(), renaming.from.name},
                   .to = {renaming.to.parent->object(), renaming.to.name},
                   .flags = renaming.flags,
                   .replaced = std::nullopt,
                   .replaced_type = 0,
                   .from_parent_after = from_after,
                   .to_parent_after = to_after};
  if (renaming.replaced) {
    operation.replaced = renaming.replaced->node->object();
    operation.replaced_type = renaming.replaced->metadata.type();
  }
  return operation;
}

/// A directory as the rename left it.
std::optional<Metadata> directory_after(Filesystem& fs, const NewName& at, const Child& moved) {
  if (!moved.metadata.is_directory()) return std::nullopt;
  auto after = fs.source.stat_at(at.directory->get(), at.name);
  return after ? std::optional(*after) : std::nullopt;
}

void describe_directories(Filesystem& fs, const Renaming& renaming, Rename& operation) {
  operation.object_after = directory_after(fs, renaming.to, *renaming.moved);
  if (!renaming.exchanges()) return;
  operation.exchanged_after = directory_after(fs, renaming.from, *renaming.replaced);
}

/// False when one of the names came to mean something else.
Result<bool> try_rename(Filesystem& fs, Renaming& renaming) {
  Recording recording(fs, 0);
  NodeLocks locks({renaming.from.parent.get(), renaming.to.parent.get(), renaming.moved->node.get(),
                   renaming.replaced ? renaming.replaced->node.get() : nullptr});
  auto same = both_still_mean(fs, renaming);
  if (!same || !*same) return same;
  SharedFd kept;
  if (renaming.replaced) {
    kept = fs.nodes.descriptor_to_keep(renaming.replaced->node);
    if (!renaming.exchanges()) fs.source.let_birth_pass(renaming.replaced->metadata);
  }
  const int from = renaming.from.directory->get();
  const int to = renaming.to.directory->get();
  if (::renameat2(from, renaming.from.name, to, renaming.to.name, renaming.flags) != 0) {
    return fail_errno("renameat2", renaming.from.name);
  }
  if (renaming.same_object()) return true;
  move_names(fs, renaming);
  if (kept && !fs.nodes.location(renaming.replaced->node)) {
    fs.nodes.pin_descriptor(renaming.replaced->node, kept);
  }
  auto from_after = fs.source.stat(from);
  if (!from_after) return pass_on(std::move(from_after));
  auto to_after = fs.source.stat(to);
  if (!to_after) return pass_on(std::move(to_after));
  Rename operation = describe(renaming, *from_after, *to_after);
  describe_directories(fs, renaming, operation);
  recording.record(std::move(operation));
  locks.unlock();
  if (auto settled = recording.settle(); !settled) return pass_on(std::move(settled));
  return true;
}

Result<void> rename_child(Filesystem& fs, NewName from, NewName to, unsigned flags) {
  Renaming renaming{.from = std::move(from),
                    .to = std::move(to),
                    .flags = flags,
                    .moved = std::nullopt,
                    .replaced = std::nullopt};
  for (;;) {
    if (auto looked = look_at_both(fs, renaming); !looked) return looked;
    auto renamed = try_rename(fs, renaming);
    if (!renamed) return pass_on(std::move(renamed));
    if (*renamed) return {};
  }
}

}  // namespace

void handle_rename(FuseRequest& request, Filesystem& fs, fuse_ino_t from, const char* from_name,
                   fuse_ino_t to, const char* to_name, unsigned flags) {
  // RENAME_WHITEOUT is for overlay filesystems; the replica could not follow it.
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
    return request.error(EINVAL);
  }
  auto old_name = new_name(fs, from, from_name);
  if (!old_name) return request.error(old_name.error());
  auto chosen = new_name(fs, to, to_name);
  if (!chosen) return request.error(chosen.error());
  request.result(rename_child(fs, std::move(*old_name), std::move(*chosen), flags));
}

}  // namespace mirrorfs::fs
