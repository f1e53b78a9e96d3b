// rename, with RENAME_NOREPLACE, RENAME_EXCHANGE and RENAME_WHITEOUT.
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
  /// A device 0:0 takes the old name, which tells an overlay that nothing is there.
  [[nodiscard]] bool leaves_whiteout() const { return (flags & RENAME_WHITEOUT) != 0; }
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

Rename describe(const Renaming& renaming) {
  Rename operation{.object = renaming.moved->node->object(),
                   .type = renaming.moved->metadata.type(),
                   .from = {renaming.from.parent->object(), renaming.from.name},
                   .to = {renaming.to.parent->object(), renaming.to.name},
                   .flags = renaming.flags & ~static_cast<unsigned>(RENAME_WHITEOUT),
                   .replaced = std::nullopt,
                   .replaced_type = 0,
                   .from_parent_after = Metadata::with_unknown_times(),
                   .to_parent_after = Metadata::with_unknown_times()};
  if (renaming.replaced) {
    operation.replaced = renaming.replaced->node->object();
    operation.replaced_type = renaming.replaced->metadata.type();
  }
  if (renaming.moved->metadata.is_directory()) {
    operation.object_after = Metadata::with_unknown_times();
  }
  if (renaming.exchanges() && renaming.replaced->metadata.is_directory()) {
    operation.exchanged_after = Metadata::with_unknown_times();
  }
  return operation;
}

Footprint footprint_of(const Filesystem& fs, const Renaming& renaming) {
  Footprint footprint;
  footprint.object(renaming.moved->node->object());
  if (renaming.replaced) footprint.object(renaming.replaced->node->object());
  footprint.entry({.parent = renaming.from.parent->object(), .name = renaming.from.name});
  footprint.entry({.parent = renaming.to.parent->object(), .name = renaming.to.name});
  if (renaming.replaced && !renaming.exchanges()) {
    add_other_names(fs, footprint, renaming.replaced->node, renaming.replaced->metadata,
                    {.parent = renaming.to.parent->object(), .name = renaming.to.name});
  }
  return footprint;
}

/// The engine has to know a directory that is moved, as it knew each that was looked up before.
const NodeRef* moved_directory(const std::optional<Child>& child, const NewName& otherwise) {
  return child && child->metadata.is_directory() ? &child->node : &otherwise.parent;
}

/// A whiteout belongs to who asked for it, as any object that is made.
Result<void> rename_as(Filesystem& fs, const Caller& caller, const Renaming& renaming) {
  const auto& [from, to, flags, moved, replaced] = renaming;
  std::optional<AsCaller> as_caller;
  if (renaming.leaves_whiteout()) as_caller.emplace(fs.own, caller);
  if (as_caller && !as_caller->ok()) return fail(EPERM, "setfsuid", from.name);
  if (::renameat2(from.directory->get(), from.name, to.directory->get(), to.name, flags) != 0) {
    return fail_errno("renameat2", from.name);
  }
  return {};
}

Result<void> record_whiteout(Filesystem& fs, Recording& recording, const NewName& at) {
  const auto metadata = fs.source.stat_at(at.directory->get(), at.name);
  if (!metadata) return std::unexpected(metadata.error());
  const NodeRef node = fs.nodes.acquire_new(*metadata);
  fs.nodes.add_name(node, at.parent, at.name);
  recording.record(CreateNode{.object = node->object(),
                              .where = {at.parent->object(), at.name},
                              .after = *metadata,
                              .parent_after = Metadata::with_unknown_times()});
  return {};
}

/// Nothing when one of the names came to mean something else.
Result<std::optional<Settlement>> try_rename(Filesystem& fs, const Caller& caller,
                                             Admission& admission, Renaming& renaming) {
  ChangeLocks locks(
      fs,
      {renaming.from.parent.get(), renaming.to.parent.get(), renaming.moved->node.get(),
       renaming.replaced ? renaming.replaced->node.get() : nullptr},
      {&renaming.from.parent, &renaming.to.parent, moved_directory(renaming.moved, renaming.from),
       moved_directory(renaming.replaced, renaming.to)});
  const auto same = both_still_mean(fs, renaming);
  if (!same) return std::unexpected(same.error());
  if (!*same) return std::nullopt;
  SharedFd kept;
  if (renaming.replaced) {
    kept = fs.nodes.descriptor_to_keep(renaming.replaced->node);
    if (!renaming.exchanges()) fs.source.let_birth_pass(renaming.replaced->metadata);
  }
  Recording recording(fs, std::move(admission), footprint_of(fs, renaming));
  if (auto renamed = rename_as(fs, caller, renaming); !renamed) {
    recording.refused(renamed.error().code);
    return pass_on(std::move(renamed));
  }
  if (renaming.same_object()) {
    recording.nothing_changed();
    return Settlement{};
  }
  move_names(fs, renaming);
  if (kept && !fs.nodes.has_name(renaming.replaced->node)) {
    fs.nodes.pin_descriptor(renaming.replaced->node, kept);
  }
  recording.record(describe(renaming));
  if (renaming.leaves_whiteout()) {
    if (auto left = record_whiteout(fs, recording, renaming.from); !left) {
      return pass_on(std::move(left));
    }
  }
  return recording.complete();
}

Result<Settlement> rename_child(Filesystem& fs, const Caller& caller, Admission admission,
                                NewName from, NewName to, unsigned flags) {
  Renaming renaming{.from = std::move(from),
                    .to = std::move(to),
                    .flags = flags,
                    .moved = std::nullopt,
                    .replaced = std::nullopt};
  for (;;) {
    if (auto looked = look_at_both(fs, renaming); !looked) return pass_on(std::move(looked));
    auto renamed = try_rename(fs, caller, admission, renaming);
    if (!renamed) return pass_on(std::move(renamed));
    if (*renamed) return std::move(**renamed);
  }
}

}  // namespace

void handle_rename(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t from,
                   const char* from_name, fuse_ino_t to, const char* to_name, unsigned flags) {
  constexpr unsigned kKnown = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;
  if ((flags & ~kKnown) != 0) return request.error(EINVAL);
  fs.nodes.make_room_for_removal();
  auto old_name = new_name(fs, from, from_name);
  if (!old_name) return request.error(old_name.error());
  auto chosen = new_name(fs, to, to_name);
  if (!chosen) return request.error(chosen.error());
  auto renamed = rename_child(fs, request.caller(), std::move(admission), std::move(*old_name),
                              std::move(*chosen), flags);
  if (!renamed) return request.error(renamed.error());
  answer_result(request, fs, std::move(*renamed));
}

}  // namespace mirrorfs::fs
