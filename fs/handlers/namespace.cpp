// unlink, rmdir, link.
#include <fcntl.h>
#include <unistd.h>

#include "fs/handlers/child_locks.h"
#include "fs/handlers/creation.h"
#include "fs/handlers/handlers.h"
#include "fs/handlers/recording.h"

namespace mirrorfs::fs {
namespace {

Operation describe_removal(Filesystem& fs, const NewName& at, const Child& child, bool directory) {
  const Metadata parent_after = Metadata::with_unknown_times();
  const Location where{.parent = at.parent->object(), .name = at.name};
  if (directory) {
    return RemoveDirectory{
        .object = child.node->object(), .where = where, .parent_after = parent_after};
  }
  // The count from before is exact: every link and unlink holds the object's lock.
  const bool last = child.metadata.nlink <= 1;
  return Unlink{.object = child.node->object(),
                .where = where,
                .last_link = last,
                .other_name = last ? std::nullopt : fs.nodes.location(child.node),
                .parent_after = parent_after};
}

Footprint footprint_of(const Filesystem& fs, const NewName& at, const Child& removed) {
  Footprint footprint = footprint_of(at);
  footprint.object(removed.node->object());
  add_other_names(fs, footprint, removed.node, removed.metadata, {at.parent->object(), at.name});
  return footprint;
}

/// Removes what the name means while it means `child`; nothing when it came to mean something else.
Result<std::optional<Settlement>> try_remove(Filesystem& fs, Admission& admission,
                                             const NewName& at, std::optional<Child>& child,
                                             bool directory) {
  ChangeLocks locks(fs, {at.parent.get(), child->node.get()}, {&at.parent});
  const int parent = at.directory->get();
  const auto same = still_means(fs, parent, at.name, child);
  if (!same) return std::unexpected(same.error());
  if (!*same) return std::nullopt;
  // Whoever has it open by O_PATH or as a working directory goes on asking about it.
  SharedFd kept = fs.nodes.descriptor_to_keep(child->node);
  fs.source.let_birth_pass(child->metadata);
  Recording recording(fs, std::move(admission), footprint_of(fs, at, *child));
  if (::unlinkat(parent, at.name, directory ? AT_REMOVEDIR : 0) != 0) {
    auto failed = fail_errno("unlinkat", at.name);
    recording.refused(failed.error().code);
    return failed;
  }
  fs.nodes.remove_name(child->node, at.parent, at.name);
  if (kept && !fs.nodes.has_name(child->node)) fs.nodes.pin_descriptor(child->node, kept);
  recording.record(describe_removal(fs, at, *child, directory));
  return recording.complete();
}

Result<Settlement> remove_child(Filesystem& fs, Admission admission, fuse_ino_t parent,
                                const char* name, bool directory) {
  fs.nodes.make_room_for_removal();
  auto at = new_name(fs, parent, name);
  if (!at) return pass_on(std::move(at));
  for (;;) {
    auto child = look_at_child(fs, at->directory->get(), name);
    if (!child) return pass_on(std::move(child));
    if (!*child) return fail(ENOENT, "unlinkat", name);
    auto removed = try_remove(fs, admission, *at, *child, directory);
    if (!removed) return pass_on(std::move(removed));
    if (*removed) return std::move(**removed);
  }
}

void answer_removal(FuseRequest& request, Filesystem& fs, Result<Settlement> removed) {
  if (!removed) return request.error(removed.error());
  answer_result(request, fs, std::move(*removed));
}

Result<Changed<Entry>> link_node(Filesystem& fs, Admission admission, const NodeRef& node,
                                 const NewName& at) {
  auto fd = fs.nodes.descriptor(node);
  if (!fd) return pass_on(std::move(fd));
  ChangeLocks locks(fs, {at.parent.get(), node.get()}, {&at.parent, &node});
  const int directory = at.directory->get();
  auto existing = fs.nodes.location(node);
  Recording recording(fs, std::move(admission),
                      std::move(footprint_of(at).object(node->object()).entry(existing)));
  // The descriptor's name in /proc leads to the object itself, to a symlink too; AT_EMPTY_PATH
  // would need CAP_DAC_READ_SEARCH.
  const DescriptorName name((*fd)->get());
  if (::linkat(fs.source.process_folder(), name.c_str(), directory, at.name, AT_SYMLINK_FOLLOW) !=
      0) {
    auto failed = fail_errno("linkat", at.name);
    recording.refused(failed.error().code);
    return failed;
  }
  fs.nodes.add_name(node, at.parent, at.name);
  auto metadata = fs.source.stat((*fd)->get());
  if (!metadata) return pass_on(std::move(metadata));
  recording.record(Link{.object = node->object(),
                        .existing = std::move(existing),
                        .where = {at.parent->object(), at.name},
                        .after = *metadata,
                        .parent_after = Metadata::with_unknown_times()});
  fs.nodes.add_lookup(node);
  return Changed<Entry>{{.node = node, .metadata = *metadata}, recording.complete()};
}

}  // namespace

void handle_unlink(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                   const char* name) {
  answer_removal(request, fs, remove_child(fs, std::move(admission), parent, name, false));
}

void handle_rmdir(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t parent,
                  const char* name) {
  answer_removal(request, fs, remove_child(fs, std::move(admission), parent, name, true));
}

void handle_link(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                 fuse_ino_t parent, const char* name) {
  const auto node = fs.node(id);
  if (!node) return request.error(node.error());
  const auto at = new_name(fs, parent, name);
  if (!at) return request.error(at.error());
  answer_entry(request, fs, link_node(fs, std::move(admission), *node, *at));
}

}  // namespace mirrorfs::fs
