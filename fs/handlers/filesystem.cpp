#include "fs/handlers/filesystem.h"

#include <sys/sysmacros.h>

#include "fs/nodes/reserved_name.h"

namespace mirrorfs::fs {

bool Filesystem::hides(const Node& parent, std::string_view name) const {
  return options.hide_reserved_root_name && is_reserved_name(nodes.is_root(parent), name);
}

Result<NodeRef> Filesystem::node(fuse_ino_t id) {
  NodeRef found = nodes.find(NodeId{id});
  if (!found) return fail(ESTALE, "node");
  return found;
}

void Filesystem::forget_attributes(const Node& node) const {
  if (session == nullptr) return;
  // ENOENT: the kernel has forgotten the node already.
  (void)fuse_lowlevel_notify_inval_inode(session, node.id().value, -1, 0);
}

ino_t shown_inode(const Filesystem& fs, dev_t device, ino_t inode) {
  const dev_t root_device = fs.source.root_metadata().dev;
  if (device == root_device) return inode;
  return inode ^ ((device ^ root_device) * 0x9E3779B97F4A7C15ULL);
}

struct stat to_stat(const Filesystem& fs, const Metadata& metadata) {
  struct stat shown{};
  shown.st_ino = shown_inode(fs, metadata.dev, metadata.ino);
  shown.st_mode = metadata.mode;
  shown.st_nlink = metadata.nlink;
  shown.st_uid = metadata.uid;
  shown.st_gid = metadata.gid;
  shown.st_rdev = metadata.rdev;
  shown.st_size = static_cast<off_t>(metadata.size);
  shown.st_blocks = static_cast<blkcnt_t>(metadata.blocks);
  shown.st_blksize = static_cast<blksize_t>(metadata.block_size);
  shown.st_atim = metadata.atime;
  shown.st_mtim = metadata.mtime;
  shown.st_ctim = metadata.ctime;
  return shown;
}

fuse_entry_param to_entry(const Filesystem& fs, const Entry& entry) {
  fuse_entry_param shown{};
  shown.ino = entry.node->id().value;
  shown.generation = fs.generation;
  shown.attr = to_stat(fs, entry.metadata);
  shown.attr_timeout = fs.options.attr_timeout;
  shown.entry_timeout = fs.options.entry_timeout;
  return shown;
}

namespace {

struct Found {
  Metadata metadata;
  UniqueFd fd;  ///< none: it was looked at by its name
};

/// A name that is not there is found missing by an open, without a look at anything. One that is
/// there costs the open too, which serves whoever uses the node.
Result<Found> find_child(const SourceTree& source, int directory, const char* name,
                         bool opens_first) {
  Found found;
  if (opens_first) {
    auto opened = source.open_path(directory, name);
    if (!opened && opened.error().code == ENOENT) return pass_on(std::move(opened));
    if (opened) found.fd = std::move(*opened);  // else there may be no descriptor left
  }
  auto metadata = found.fd ? source.stat(found.fd.get()) : source.stat_at(directory, name);
  if (!metadata) return pass_on(std::move(metadata));
  found.metadata = *metadata;
  return found;
}

}  // namespace

Result<Entry> resolve_child(Filesystem& fs, const NodeRef& parent, const char* name) {
  if (!is_single_component(name)) return fail(EINVAL, "lookup", name);
  if (fs.hides(*parent, name)) return fail(ENOENT, "lookup", name);
  auto directory = fs.nodes.descriptor(parent);
  if (!directory) return pass_on(std::move(directory));
  const NodeLocks locks(parent);
  auto found = find_child(fs.source, (*directory)->get(), name, parent->lookup_missed);
  parent->lookup_missed = !found && found.error().code == ENOENT;
  if (!found) return pass_on(std::move(found));
  Entry entry{.node = fs.nodes.acquire(found->metadata), .metadata = found->metadata};
  fs.nodes.add_name(entry.node, parent, name);
  fs.nodes.add_lookup(entry.node);
  if (found->fd) fs.nodes.give_descriptor(entry.node, std::move(found->fd));
  return entry;
}

void reply_entry(FuseRequest& request, Filesystem& fs, const Result<Entry>& entry) {
  if (!entry) {
    request.error(entry.error());
  } else if (!request.entry(to_entry(fs, *entry))) {
    fs.nodes.forget(entry->node->id(), 1);
  }
}

}  // namespace mirrorfs::fs
