// opendir, readdir, readdirplus, releasedir, fsyncdir.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "fs/handlers/directory_stream.h"
#include "fs/handlers/handlers.h"
#include "fs/handlers/recording.h"

namespace mirrorfs::fs {
namespace {

DirectoryStream& stream_of(const fuse_file_info& file) {
  return *reinterpret_cast<DirectoryStream*>(file.fh);
}

bool is_dot_or_dotdot(const char* name) {
  return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

/// A reply under construction.
struct Listing {
  Filesystem& fs;
  fuse_req_t request;
  DirectoryStream& stream;
  std::vector<std::byte> buffer;
  std::size_t used = 0;
  std::vector<NodeId> looked_up;  ///< to be forgotten if the kernel does not take the reply

  [[nodiscard]] char* end() { return reinterpret_cast<char*>(buffer.data()) + used; }
  [[nodiscard]] std::size_t room() const { return buffer.size() - used; }
};

/// What stat(2) of the entry shows. A directory that something is mounted on has another number in
/// the listing, so directories are looked at; files that something is mounted on are not. The
/// parent is not looked at: a mount over the source would ask itself, and wait for its own answer.
ino_t inode_of(const Listing& listing, const DirectoryEntry& entry) {
  const NodeRef& directory = listing.stream.node();
  const std::string_view name = entry.name;
  if (name == "..") {
    const auto parent = listing.fs.nodes.parent(directory);
    if (parent) return shown_inode(listing.fs, parent->device, parent->inode);
  } else if (name != "." && (entry.type == S_IFDIR || entry.type == 0)) {
    // What is known is enough: a server that does not answer is not waited for.
    constexpr int kFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
    struct statx look{};
    if (::statx(listing.stream.fd(), entry.name, kFlags, STATX_INO, &look) == 0) {
      const dev_t device = makedev(look.stx_dev_major, look.stx_dev_minor);
      return shown_inode(listing.fs, device, look.stx_ino);
    }
  }
  return shown_inode(listing.fs, directory->object().device, entry.ino);
}

fuse_entry_param bare_entry(const Listing& listing, const DirectoryEntry& entry) {
  fuse_entry_param bare{};  // node id 0: the kernel gets the name and type, and looks up itself
  bare.attr.st_ino = inode_of(listing, entry);
  bare.attr.st_mode = entry.type;
  return bare;
}

bool add_plain(Listing& listing, const DirectoryEntry& entry) {
  const fuse_entry_param bare = bare_entry(listing, entry);
  const std::size_t size = fuse_add_direntry(listing.request, listing.end(), listing.room(),
                                             entry.name, &bare.attr, entry.next_offset);
  if (size > listing.room()) return false;
  listing.used += size;
  return true;
}

bool add_plus(Listing& listing, const DirectoryEntry& entry) {
  // Asked before the lookup, so that no lookup has to be taken back.
  const std::size_t size =
      fuse_add_direntry_plus(listing.request, nullptr, 0, entry.name, nullptr, 0);
  if (size > listing.room()) return false;
  std::optional<Entry> child;
  if (!is_dot_or_dotdot(entry.name)) {
    auto resolved = resolve_child(listing.fs, listing.stream.node(), entry.name);
    if (resolved) child = std::move(*resolved);
  }
  if (child) listing.looked_up.push_back(child->node->id());
  // An entry that vanished meanwhile is still listed, as by the filesystem below.
  const fuse_entry_param shown = child ? to_entry(listing.fs, *child) : bare_entry(listing, entry);
  fuse_add_direntry_plus(listing.request, listing.end(), listing.room(), entry.name, &shown,
                         entry.next_offset);
  listing.used += size;
  return true;
}

template <class Add>
Result<void> fill(Listing& listing, off_t offset, const Add& add) {
  if (auto sought = listing.stream.seek(offset); !sought) return sought;
  for (;;) {
    auto entry = listing.stream.peek();
    // What is in the buffer goes out first; the error comes again.
    if (!entry && listing.used > 0) return {};
    if (!entry) return pass_on(std::move(entry));
    if (*entry == nullptr) return {};
    const bool hidden = listing.fs.hides(*listing.stream.node(), (*entry)->name);
    if (!hidden && !add(listing, **entry)) return {};
    listing.stream.skip();
  }
}

template <class Add>
void list(FuseRequest& request, Filesystem& fs, std::size_t size, off_t offset,
          const fuse_file_info& file, const Add& add) {
  DirectoryStream& stream = stream_of(file);
  Listing listing{.fs = fs,
                  .request = request.raw(),
                  .stream = stream,
                  .buffer = std::vector<std::byte>(size),
                  .used = 0,
                  .looked_up = {}};
  Result<void> filled;
  {
    const std::lock_guard lock(stream.mutex());
    filled = fill(listing, offset, add);
  }
  if (!filled) return request.error(filled.error());
  if (request.bytes(std::span(listing.buffer).first(listing.used))) return;
  for (const NodeId id : listing.looked_up) fs.nodes.forget(id, 1);
}

}  // namespace

void handle_opendir(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file) {
  const auto node = fs.node(id);
  if (!node) return request.error(node.error());
  const auto path_fd = fs.nodes.descriptor(*node);
  if (!path_fd) return request.error(path_fd.error());
  auto fd = fs.source.reopen((*path_fd)->get(), O_RDONLY | O_DIRECTORY);
  if (!fd) return request.error(fd.error());
  auto stream = std::make_unique<DirectoryStream>(*node, std::move(*fd));
  DirectoryStream& kept = *stream;
  file->fh = reinterpret_cast<std::uint64_t>(&kept);
  fs.open_directories.keep(std::move(stream));
  if (!request.opened(*file)) (void)fs.open_directories.take(kept);
}

void handle_readdir(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::size_t size,
                    off_t offset, fuse_file_info* file) {
  (void)id;
  list(request, fs, size, offset, *file, add_plain);
}

void handle_readdirplus(FuseRequest& request, Filesystem& fs, fuse_ino_t id, std::size_t size,
                        off_t offset, fuse_file_info* file) {
  (void)id;
  list(request, fs, size, offset, *file, add_plus);
}

void handle_releasedir(FuseRequest& request, Filesystem& fs, fuse_ino_t id, fuse_file_info* file) {
  (void)id;
  const auto closed = fs.open_directories.take(stream_of(*file));
  request.done();
}

void handle_fsyncdir(FuseRequest& request, Filesystem& fs, Admission admission, fuse_ino_t id,
                     int data_only, fuse_file_info* file) {
  (void)id;
  const DirectoryStream& stream = stream_of(*file);
  if ((data_only != 0 ? ::fdatasync(stream.fd()) : ::fsync(stream.fd())) != 0) {
    return request.error(errno);
  }
  pass_barrier(request, fs, std::move(admission), stream.node());
}

}  // namespace mirrorfs::fs
