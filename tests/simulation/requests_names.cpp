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

bool Mount::Renaming::exchanges() const { return (flags & RENAME_EXCHANGE) != 0; }

/// `make(directory)` makes the object; `describe(node, metadata, parent_after)` is its operation.
template <class Make, class Describe>
Request Mount::make_child(NodeRef parent, std::string name, Make make, Describe describe) {
  Admission admission = co_await admitted(0);
  NodeLocks locks = co_await change_locks(parent);
  Settlement settlement;
  {
    Footprint footprint;
    footprint.entry(Location{parent->object, name});
    Recording recording(*this, std::move(admission), std::move(footprint));
    co_await step("makes a child");
    const int directory = parent->fd.get();
    if (make(directory) != 0) {
      const int error = errno;
      recording.refused(error);
      co_return error;
    }
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
    if (node->is_directory()) node->learnt = true;
    settlement = recording.complete();
  }
  locks.unlock();
  const int result = co_await settle(std::move(settlement));
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
  Admission admission = co_await admitted(0);
  std::vector<NodeRef> wanted(1, parent);
  wanted.push_back(node);
  std::vector<NodeRef> named = wanted;
  NodeLocks locks = co_await change_locks(std::move(wanted), std::move(named));
  Settlement settlement;
  {
    const std::optional<Location> existing = Nodes::location(node);
    Footprint footprint;
    footprint.entry(Location{parent->object, name}).object(node->object).entry(existing);
    Recording recording(*this, std::move(admission), std::move(footprint));
    co_await step("makes a link");
    const int directory = parent->fd.get();
    if (::linkat(node->fd.get(), "", directory, name.c_str(), AT_EMPTY_PATH) != 0) {
      const int error = errno;
      recording.refused(error);
      co_return error;
    }
    stamp(directory, "");
    parts_.trace.say("source  links #{} as '{}' in #{}", node->object.inode, name,
                     parent->object.inode);
    Nodes::add_name(node, parent, name);
    co_await step("looks at the link");
    const Maybe metadata = look_after(node->fd.get(), "");
    if (!metadata) co_return metadata.error();
    const Maybe parent_after = look_after(directory, "");
    if (!parent_after) co_return parent_after.error();
    nodes_.remember(node);
    co_await step("records the link");
    recording.record(
        Link{node->object, existing, {parent->object, name}, *metadata, *parent_after});
    settlement = recording.complete();
  }
  locks.unlock();
  const int result = co_await settle(std::move(settlement));
  co_return result;
}

/// EAGAIN: the name came to mean something else.
Request Mount::try_remove(Admission& admission, NodeRef parent, std::string name,
                          std::optional<Child>& child, bool directory) {
  std::vector<NodeRef> wanted(1, parent);
  wanted.push_back(child->node);
  std::vector<NodeRef> named(1, parent);
  NodeLocks locks = co_await change_locks(std::move(wanted), std::move(named));
  const auto same = still_means(parent, name, child);
  if (!same) co_return same.error();
  if (!*same) co_return EAGAIN;
  Settlement settlement;
  {
    const Location where{parent->object, name};
    Footprint footprint;
    footprint.entry(where).object(child->node->object);
    Recording recording(*this, std::move(admission), std::move(footprint));
    co_await step("removes a name");
    const int fd = parent->fd.get();
    if (::unlinkat(fd, name.c_str(), directory ? AT_REMOVEDIR : 0) != 0) {
      const int error = errno;
      recording.refused(error);
      co_return error;
    }
    stamp(fd, "");
    parts_.trace.say("source  removes '{}' (#{}) from #{}", name, child->node->object.inode,
                     parent->object.inode);
    Nodes::remove_name(child->node, parent, name);
    co_await step("looks at the directory after a removal");
    const Maybe parent_after = look_after(fd, "");
    if (!parent_after) co_return parent_after.error();
    co_await step("records the removal");
    if (directory) {
      recording.record(RemoveDirectory{child->node->object, where, *parent_after});
    } else {
      const bool last = child->metadata.nlink <= 1;
      std::optional<Location> other;
      if (!last) other = Nodes::location(child->node);
      recording.record(Unlink{child->node->object, where, last, other, *parent_after});
    }
    settlement = recording.complete();
  }
  locks.unlock();
  const int result = co_await settle(std::move(settlement));
  co_return result;
}

Request Mount::remove(NodeRef parent, std::string name, bool directory) {
  Admission admission = co_await admitted(0);
  for (;;) {
    co_await step("looks at a name to remove");
    auto child = look_at_child(parent, name);
    if (!child) co_return child.error();
    if (!*child) co_return ENOENT;
    if ((*child)->node->is_directory() != directory) co_return directory ? ENOTDIR : EISDIR;
    const int removed = co_await try_remove(admission, parent, name, *child, directory);
    if (removed != EAGAIN) co_return removed;
  }
}

Request Mount::rename(NodeRef from, std::string name, NodeRef to, std::string new_name,
                      unsigned flags) {
  Admission admission = co_await admitted(0);
  for (;;) {
    co_await step("looks at names to rename");
    auto moved = look_at_child(from, name);
    if (!moved) co_return moved.error();
    if (!*moved) co_return ENOENT;
    auto replaced = look_at_child(to, new_name);
    if (!replaced) co_return replaced.error();
    Renaming renaming{from, name, to, new_name, flags, std::move(*moved), std::move(*replaced)};
    const int renamed = co_await try_rename(admission, renaming);
    if (renamed != EAGAIN) co_return renamed;
  }
}

void Mount::move_names(const Renaming& renaming) {
  const auto& [from, name, to, new_name, flags, moved, replaced] = renaming;
  if (replaced) {
    Nodes::remove_name(replaced->node, to, new_name);
    if (renaming.exchanges()) Nodes::add_name(replaced->node, from, name);
  }
  Nodes::remove_name(moved->node, from, name);
  Nodes::add_name(moved->node, to, new_name);
}

/// EAGAIN: one of the names came to mean something else.
Request Mount::try_rename(Admission& admission, Renaming& renaming) {
  auto& [from, name, to, new_name, flags, moved, replaced] = renaming;
  std::vector<NodeRef> wanted(1, from);
  wanted.push_back(to);
  std::vector<NodeRef> named = wanted;
  wanted.push_back(moved->node);
  if (replaced) wanted.push_back(replaced->node);
  // A directory that is moved has to be known, as each that is looked up.
  if (moved->metadata.is_directory()) named.push_back(moved->node);
  if (replaced && replaced->metadata.is_directory()) named.push_back(replaced->node);
  NodeLocks locks = co_await change_locks(std::move(wanted), std::move(named));
  for (const bool first : {true, false}) {
    const auto same = first ? still_means(from, name, moved) : still_means(to, new_name, replaced);
    if (!same) co_return same.error();
    if (!*same) co_return EAGAIN;
  }
  Settlement settlement;
  {
    Footprint footprint;
    footprint.object(moved->node->object);
    if (replaced) footprint.object(replaced->node->object);
    footprint.entry(Location{from->object, name}).entry(Location{to->object, new_name});
    Recording recording(*this, std::move(admission), std::move(footprint));
    co_await step("renames");
    if (::renameat2(from->fd.get(), name.c_str(), to->fd.get(), new_name.c_str(), flags) != 0) {
      const int error = errno;
      recording.refused(error);
      co_return error;
    }
    if (replaced && replaced->node == moved->node) {
      recording.refused(0);  // two names of one object: nothing happens
      co_return 0;
    }
    stamp(from->fd.get(), "");
    stamp(to->fd.get(), "");
    parts_.trace.say("source  renames '{}' in #{} (#{}) to '{}' in #{}, flags {}", name,
                     from->object.inode, moved->node->object.inode, new_name, to->object.inode,
                     flags);
    move_names(renaming);
    co_await step("looks at the directories after a rename");
    auto operation = describe(renaming);
    if (!operation) co_return operation.error();
    co_await step("records the rename");
    recording.record(std::move(*operation));
    settlement = recording.complete();
  }
  locks.unlock();
  const int result = co_await settle(std::move(settlement));
  co_return result;
}

std::expected<Rename, int> Mount::describe(const Renaming& renaming) {
  const auto& [from, name, to, new_name, flags, moved, replaced] = renaming;
  const Maybe from_after = look_after(from->fd.get(), "");
  if (!from_after) return std::unexpected(from_after.error());
  const Maybe to_after = look_after(to->fd.get(), "");
  if (!to_after) return std::unexpected(to_after.error());
  Rename operation{.object = moved->node->object,
                   .type = moved->metadata.type(),
                   .from = {from->object, name},
                   .to = {to->object, new_name},
                   .flags = flags,
                   .replaced = std::nullopt,
                   .replaced_type = 0,
                   .from_parent_after = *from_after,
                   .to_parent_after = *to_after};
  if (replaced) {
    operation.replaced = replaced->node->object;
    operation.replaced_type = replaced->metadata.type();
  }
  if (moved->metadata.is_directory()) {
    const Maybe after = look_after(moved->node->fd.get(), "");
    if (!after) return std::unexpected(after.error());
    operation.object_after = *after;
  }
  if (renaming.exchanges() && replaced->metadata.is_directory()) {
    const Maybe after = look_after(replaced->node->fd.get(), "");
    if (!after) return std::unexpected(after.error());
    operation.exchanged_after = *after;
  }
  return operation;
}

}  // namespace mirrorfs::simulation
