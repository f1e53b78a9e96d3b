// lookup, forget: the kernel learns of nodes and lets them go.
#include "fs/handlers/handlers.h"

namespace mirrorfs::fs {

void handle_lookup(FuseRequest& request, Filesystem& fs, fuse_ino_t parent, const char* name) {
  auto directory = fs.node(parent);
  if (!directory) return request.error(directory.error());
  const auto entry = resolve_child(fs, *directory, name);
  if (!entry && entry.error().code == ENOENT) return request.no_entry(fs.options.entry_timeout);
  reply_entry(request, fs, entry);
}

void handle_forget(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::uint64_t lookups) {
  fs.nodes.forget(NodeId{id}, lookups);
  request.none();
}

void handle_forget_multi(FuseRequest& request, Filesystem& fs, std::size_t count,
                         fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) {
    fs.nodes.forget(NodeId{forgets[i].ino}, forgets[i].nlookup);
  }
  request.none();
}

}  // namespace mirrorfs::fs
