// Requests that change directories: fs/handlers/creation.cpp, opening.cpp, namespace.cpp,
// renaming.cpp.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "mount.h"
#include "recording.h"

namespace mirrorfs::simulation {

/// `make(directory)` makes the object; `describe(node, metadata, parent_after)` is its operation.
template <class Make, class Describe>
Request Mount::make_child(NodeRef parent, std::string name, Make make, Describe describe) {
  Recording recording = co_await Recording::begin(*this, 0);
  NodeLocks locks = co_await NodeLocks::take(parent);
  co_await step("makes a child");
  const int directory = parent->fd.get();
  if (make(directory) != 0) co_return errno;
  stamp(directory, name.c_str());
  stamp(directory, "");
  parts_.trace.say("source  makes '{}' in #{}", name, parent->object.inode);
  co_await step("looks at what it made");
  const Maybe metadata = look_after(directory, name.c_str());
  if (!metadata) co_return metadata.error();
  const Maybe parent_after = look_after(directory, "");
  if (!parent_after) co_return parent_after.error();
  const NodeRef node = adopt_new(parent, name, *metadata);
  co_await step("records what it made");
  recording.record(describe(node, *metadata, *parent_after));
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Request Mount::create(NodeRef parent, std::string name, mode_t mode, OpenFile* opened) {
  auto fd = std::make_shared<UniqueFd>();
  const auto make = [name, mode, fd](int directory) {
    *fd = UniqueFd(::openat(directory, name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode));
    return *fd ? 0 : -1;
  };
  const auto describe = [parent, name, opened, fd](const NodeRef& node, const Metadata& after,
                                                   const Metadata& parent_after) {
    if (opened != nullptr) *opened = {node, std::move(*fd)};
    return CreateNode{node->object, {parent->object, name}, after, parent_after};
  };
  const int result = co_await make_child(parent, name, make, describe);
  co_return result;
}

Request Mount::mkdir(NodeRef parent, std::string name, mode_t mode) {
  const auto make = [name, mode](int directory) {
    return ::mkdirat(directory, name.c_str(), mode);
  };
  const auto describe = [parent, name](const NodeRef& node, const Metadata& after,
                                       const Metadata& parent_after) {
    return MakeDirectory{node->object, {parent->object, name}, after, parent_after};
  };
  const int result = co_await make_child(parent, name, make, describe);
  co_return result;
}

Request Mount::mknod(NodeRef parent, std::string name, mode_t mode, dev_t device) {
  const auto make = [name, mode, device](int directory) {
    return ::mknodat(directory, name.c_str(), mode, device);
  };
  const auto describe = [parent, name](const NodeRef& node, const Metadata& after,
                                       const Metadata& parent_after) {
    return CreateNode{node->object, {parent->object, name}, after, parent_after};
  };
  const int result = co_await make_child(parent, name, make, describe);
  co_return result;
}

Request Mount::symlink(std::string target, NodeRef parent, std::string name) {
  const auto make = [name, target](int directory) {
    return ::symlinkat(target.c_str(), directory, name.c_str());
  };
  const auto describe = [parent, name, target](const NodeRef& node, const Metadata& after,
                                               const Metadata& parent_after) {
    return MakeSymlink{node->object, {parent->object, name}, target, after, parent_after};
  };
  const int result = co_await make_child(parent, name, make, describe);
  co_return result;
}

Request Mount::link(NodeRef node, NodeRef parent, std::string name) {
  Recording recording = co_await Recording::begin(*this, 0);
  NodeLocks locks = co_await NodeLocks::take(parent, node);
  co_await step("makes a link");
  auto existing = Nodes::location(node);
  const int directory = parent->fd.get();
  if (::linkat(node->fd.get(), "", directory, name.c_str(), AT_EMPTY_PATH) != 0) co_return errno;
  stamp(directory, "");
  parts_.trace.say("source  links #{} as '{}' in #{}", node->object.inode, name,
                   parent->object.inode);
  co_await step("looks at the link");
  const Maybe metadata = look_after(node->fd.get(), "");
  if (!metadata) co_return metadata.error();
  const Maybe parent_after = look_after(directory, "");
  if (!parent_after) co_return parent_after.error();
  nodes_.add_name(node, parent, name);
  nodes_.remember(node);
  co_await step("records the link");
  recording.record(
      Link{node->object, std::move(existing), {parent->object, name}, *metadata, *parent_after});
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

/// EAGAIN: the name came to mean something else.
Task<int> Mount::try_remove(NodeRef parent, std::string name, std::optional<Child>& child,
                            bool directory) {
  Recording recording = co_await Recording::begin(*this, 0);
  NodeLocks locks = co_await NodeLocks::take(parent, child->node);
  const auto same = still_means(parent, name, child);
  if (!same) co_return same.error();
  if (!*same) co_return EAGAIN;
  co_await step("removes a name");
  const int fd = parent->fd.get();
  if (::unlinkat(fd, name.c_str(), directory ? AT_REMOVEDIR : 0) != 0) co_return errno;
  stamp(fd, "");
  parts_.trace.say("source  removes '{}' (#{}) from #{}", name, child->node->object.inode,
                   parent->object.inode);
  Nodes::remove_name(child->node, parent, name);
  co_await step("looks at the directory after a removal");
  const Maybe parent_after = look_after(fd, "");
  if (!parent_after) co_return parent_after.error();
  const Location where{parent->object, name};
  co_await step("records the removal");
  if (directory) {
    recording.record(RemoveDirectory{child->node->object, where, *parent_after});
  } else {
    const bool last = child->metadata.nlink <= 1;
    recording.record(Unlink{child->node->object, where, last,
                            last ? std::nullopt : Nodes::location(child->node), *parent_after});
  }
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Request Mount::remove(NodeRef parent, std::string name, bool directory) {
  for (;;) {
    co_await step("looks at a name to remove");
    auto child = look_at_child(parent, name);
    if (!child) co_return child.error();
    if (!*child) co_return ENOENT;
    if ((*child)->node->is_directory() != directory) co_return directory ? ENOTDIR : EISDIR;
    const int removed = co_await try_remove(parent, name, *child, directory);
    if (removed != EAGAIN) co_return removed;
  }
}

Request Mount::rename(NodeRef from, std::string name, NodeRef to, std::string new_name,
                      unsigned flags) {
  for (;;) {
    co_await step("looks at names to rename");
    auto moved = look_at_child(from, name);
    if (!moved) co_return moved.error();
    if (!*moved) co_return ENOENT;
    auto replaced = look_at_child(to, new_name);
    if (!replaced) co_return replaced.error();
    Renaming renaming{from, name, to, new_name, flags, std::move(*moved), std::move(*replaced)};
    const int renamed = co_await try_rename(std::move(renaming));
    if (renamed != EAGAIN) co_return renamed;
  }
}

void Mount::move_names(const Renaming& renaming) {
  const auto& [from, name, to, new_name, flags, moved, replaced] = renaming;
  if (replaced) {
    Nodes::remove_name(replaced->node, to, new_name);
    if ((flags & RENAME_EXCHANGE) != 0) nodes_.add_name(replaced->node, from, name);
  }
  Nodes::remove_name(moved->node, from, name);
  nodes_.add_name(moved->node, to, new_name);
}

/// EAGAIN: one of the names came to mean something else.
Task<int> Mount::try_rename(Renaming renaming) {
  auto& [from, name, to, new_name, flags, moved, replaced] = renaming;
  Recording recording = co_await Recording::begin(*this, 0);
  // GCC 12 miscompiles a choice within a co_await expression.
  const NodeRef target = replaced ? replaced->node : nullptr;
  NodeLocks locks = co_await NodeLocks::take(from, to, moved->node, target);
  for (const bool first : {true, false}) {
    const auto same = first ? still_means(from, name, moved) : still_means(to, new_name, replaced);
    if (!same) co_return same.error();
    if (!*same) co_return EAGAIN;
  }
  co_await step("renames");
  if (::renameat2(from->fd.get(), name.c_str(), to->fd.get(), new_name.c_str(), flags) != 0) {
    co_return errno;
  }
  if (replaced && replaced->node == moved->node) co_return 0;
  stamp(from->fd.get(), "");
  stamp(to->fd.get(), "");
  parts_.trace.say("source  renames '{}' in #{} (#{}) to '{}' in #{}, flags {}", name,
                   from->object.inode, moved->node->object.inode, new_name, to->object.inode,
                   flags);
  move_names(renaming);
  co_await step("looks at the directories after a rename");
  const Maybe from_after = look_after(from->fd.get(), "");
  if (!from_after) co_return from_after.error();
  const Maybe to_after = look_after(to->fd.get(), "");
  if (!to_after) co_return to_after.error();
  Rename operation = describe(renaming, *from_after, *to_after);
  co_await step("records the rename");
  recording.record(std::move(operation));
  locks.unlock();
  const int result = co_await recording.settle();
  co_return result;
}

Rename Mount::describe(const Renaming& renaming, const Metadata& from_after,
                       const Metadata& to_after) {
  const auto& [from, name, to, new_name, flags, moved, replaced] = renaming;
  Rename operation{.object = moved->node->object,
                   .type = moved->metadata.type(),
                   .from = {from->object, name},
                   .to = {to->object, new_name},
                   .flags = flags,
                   .replaced = std::nullopt,
                   .replaced_type = 0,
                   .from_parent_after = from_after,
                   .to_parent_after = to_after};
  if (replaced) {
    operation.replaced = replaced->node->object;
    operation.replaced_type = replaced->metadata.type();
  }
  const auto directory_after = [this](const Child& child) -> std::optional<Metadata> {
    if (!child.metadata.is_directory()) return std::nullopt;
    const Maybe after = look(child.node->fd.get(), "");
    return after ? std::optional(*after) : std::nullopt;
  };
  operation.object_after = directory_after(*moved);
  if ((flags & RENAME_EXCHANGE) != 0) operation.exchanged_after = directory_after(*replaced);
  return operation;
}

}  // namespace mirrorfs::simulation
