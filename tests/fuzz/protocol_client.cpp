#include "tests/fuzz/protocol_client.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

namespace mirrorfs::testing {
namespace {

constexpr std::uint32_t kStatx = 52;  // FUSE_STATX, protocol 7.39

/// libfuse reads the short form unless FUSE_SETXATTR_EXT was agreed on.
struct ShortSetxattr {
  std::uint32_t size;
  std::uint32_t flags;
};

/// fuse_statx_in of protocol 7.39.
struct StatxRequest {
  std::uint32_t getattr_flags = 0, reserved = 0;
  std::uint64_t fh = 0;
  std::uint32_t sx_flags = 0, sx_mask = 0;
};

fuse_read_in read_request(const OpenedFile& file, std::uint64_t offset, std::uint32_t size) {
  fuse_read_in in{};
  in.fh = file.handle;
  in.offset = offset;
  in.size = size;
  return in;
}

fuse_release_in release_request(const OpenedFile& file) {
  fuse_release_in in{};
  in.fh = file.handle;
  in.flags = file.flags;
  return in;
}

fuse_fsync_in sync_request(const OpenedFile& file) {
  fuse_fsync_in in{};
  in.fh = file.handle;
  return in;
}

void erase_handle(std::vector<OpenedFile>& list, std::uint64_t handle) {
  std::erase_if(list, [&](const OpenedFile& each) { return each.handle == handle; });
}

}  // namespace

Answer ProtocolClient::call(std::uint32_t opcode, std::uint64_t node, const Body& body) {
  return kernel_.call(opcode, node, body, caller_);
}

void ProtocolClient::count(const fuse_entry_out& entry) {
  if (entry.nodeid == 0) return;  // a negative entry
  KnownNode& node = known_[entry.nodeid];
  ++node.lookups;
  node.ino = entry.attr.ino;
  node.type = entry.attr.mode & S_IFMT;
}

Answer ProtocolClient::entry(Answer answer) {
  if (answer.error == 0) count(answer.as<fuse_entry_out>());
  return answer;
}

Answer ProtocolClient::created(Answer answer, std::uint32_t flags) {
  if (answer.error != 0) return answer;
  struct Both {
    fuse_entry_out entry;
    fuse_open_out open;
  };
  const auto both = answer.as<Both>();
  count(both.entry);
  files_.push_back({.handle = both.open.fh, .node = both.entry.nodeid, .flags = flags});
  return answer;
}

Answer ProtocolClient::lookup(std::uint64_t parent, std::string_view name) {
  Answer answer = entry(call(FUSE_LOOKUP, parent, Body().add_name(name)));
  if (answer.error == 0 && answer.as<fuse_entry_out>().nodeid == 0) answer.error = ENOENT;
  return answer;
}

Answer ProtocolClient::make_directory(std::uint64_t parent, std::string_view name,
                                      std::uint32_t mode) {
  const fuse_mkdir_in in{.mode = mode, .umask = 022};
  return entry(call(FUSE_MKDIR, parent, Body().add(in).add_name(name)));
}

Answer ProtocolClient::make_node(std::uint64_t parent, std::string_view name, std::uint32_t mode) {
  fuse_mknod_in in{};
  in.mode = mode;
  in.rdev = 0x0103;
  return entry(call(FUSE_MKNOD, parent, Body().add(in).add_name(name)));
}

Answer ProtocolClient::make_symlink(std::uint64_t parent, std::string_view name,
                                    std::string_view target) {
  return entry(call(FUSE_SYMLINK, parent, Body().add_name(name).add_name(target)));
}

Answer ProtocolClient::make_link(std::uint64_t node, std::uint64_t parent, std::string_view name) {
  const fuse_link_in in{.oldnodeid = node};
  return entry(call(FUSE_LINK, parent, Body().add(in).add_name(name)));
}

Answer ProtocolClient::create(std::uint64_t parent, std::string_view name, std::uint32_t flags,
                              std::uint32_t mode) {
  fuse_create_in in{};
  in.flags = flags | O_CREAT;
  in.mode = mode | S_IFREG;
  return created(call(FUSE_CREATE, parent, Body().add(in).add_name(name)), in.flags);
}

Answer ProtocolClient::create_nameless(std::uint64_t parent, std::uint32_t flags,
                                       std::uint32_t mode) {
  fuse_create_in in{};
  in.flags = flags | O_TMPFILE;
  in.mode = mode | S_IFREG;
  return created(call(FUSE_TMPFILE, parent, Body().add(in).add_name("/")), flags);
}

Answer ProtocolClient::unlink(std::uint64_t parent, std::string_view name) {
  return call(FUSE_UNLINK, parent, Body().add_name(name));
}

Answer ProtocolClient::remove_directory(std::uint64_t parent, std::string_view name) {
  return call(FUSE_RMDIR, parent, Body().add_name(name));
}

Answer ProtocolClient::rename(std::uint64_t from, std::string_view from_name, std::uint64_t to,
                              std::string_view to_name, std::uint32_t flags) {
  fuse_rename2_in in{};
  in.newdir = to;
  in.flags = flags;
  return call(FUSE_RENAME2, from, Body().add(in).add_name(from_name).add_name(to_name));
}

Answer ProtocolClient::get_attributes(std::uint64_t node) {
  return call(FUSE_GETATTR, node, Body().add(fuse_getattr_in{}));
}

Answer ProtocolClient::extended_attributes(std::uint64_t node) {
  return call(kStatx, node, Body().add(StatxRequest{.sx_mask = 0x7ff}));
}

Answer ProtocolClient::set_attributes(std::uint64_t node, const fuse_setattr_in& wanted) {
  return call(FUSE_SETATTR, node, Body().add(wanted));
}

Answer ProtocolClient::read_link(std::uint64_t node) { return call(FUSE_READLINK, node); }
Answer ProtocolClient::statistics(std::uint64_t node) { return call(FUSE_STATFS, node); }

Answer ProtocolClient::open(std::uint64_t node, std::uint32_t flags) {
  fuse_open_in in{};
  in.flags = flags;
  Answer answer = call(FUSE_OPEN, node, Body().add(in));
  if (answer.error == 0) {
    files_.push_back({.handle = answer.as<fuse_open_out>().fh, .node = node, .flags = flags});
  }
  return answer;
}

Answer ProtocolClient::read(const OpenedFile& file, std::uint64_t offset, std::uint32_t size) {
  return call(FUSE_READ, file.node, Body().add(read_request(file, offset, size)));
}

Answer ProtocolClient::write(const OpenedFile& file, std::uint64_t offset, std::string_view data) {
  fuse_write_in in{};
  in.fh = file.handle;
  in.offset = offset;
  in.size = static_cast<std::uint32_t>(data.size());
  return call(FUSE_WRITE, file.node, Body().add(in).add_bytes(std::as_bytes(std::span(data))));
}

Answer ProtocolClient::flush(const OpenedFile& file) {
  fuse_flush_in in{};
  in.fh = file.handle;
  return call(FUSE_FLUSH, file.node, Body().add(in));
}

Answer ProtocolClient::sync(const OpenedFile& file) {
  return call(FUSE_FSYNC, file.node, Body().add(sync_request(file)));
}

Answer ProtocolClient::seek(const OpenedFile& file, std::uint64_t offset, std::uint32_t whence) {
  fuse_lseek_in in{};
  in.fh = file.handle;
  in.offset = offset;
  in.whence = whence;
  return call(FUSE_LSEEK, file.node, Body().add(in));
}

Answer ProtocolClient::allocate(const OpenedFile& file, std::uint32_t mode, std::uint64_t offset,
                                std::uint64_t length) {
  fuse_fallocate_in in{};
  in.fh = file.handle;
  in.mode = mode;
  in.offset = offset;
  in.length = length;
  return call(FUSE_FALLOCATE, file.node, Body().add(in));
}

Answer ProtocolClient::copy_range(const OpenedFile& from, std::uint64_t from_offset,
                                  const OpenedFile& to, std::uint64_t to_offset,
                                  std::uint64_t length) {
  fuse_copy_file_range_in in{};
  in.fh_in = from.handle;
  in.off_in = from_offset;
  in.nodeid_out = to.node;
  in.fh_out = to.handle;
  in.off_out = to_offset;
  in.len = length;
  return call(FUSE_COPY_FILE_RANGE, from.node, Body().add(in));
}

Answer ProtocolClient::release(const OpenedFile& file) {
  erase_handle(files_, file.handle);
  return call(FUSE_RELEASE, file.node, Body().add(release_request(file)));
}

Answer ProtocolClient::open_directory(std::uint64_t node) {
  fuse_open_in in{};
  in.flags = O_RDONLY | O_DIRECTORY;
  Answer answer = call(FUSE_OPENDIR, node, Body().add(in));
  if (answer.error == 0) {
    directories_.push_back(
        {.handle = answer.as<fuse_open_out>().fh, .node = node, .flags = in.flags});
  }
  return answer;
}

Answer ProtocolClient::list(const OpenedFile& directory, std::uint64_t offset, std::uint32_t size) {
  return call(FUSE_READDIR, directory.node, Body().add(read_request(directory, offset, size)));
}

Answer ProtocolClient::list_plus(const OpenedFile& directory, std::uint64_t offset,
                                 std::uint32_t size) {
  Answer answer =
      call(FUSE_READDIRPLUS, directory.node, Body().add(read_request(directory, offset, size)));
  if (answer.error == 0) count_listed(answer);
  return answer;
}

// Each entry with a node counts as a lookup, but for "." and "..", which come without.
void ProtocolClient::count_listed(const Answer& answer) {
  for (std::size_t at = 0; at + FUSE_NAME_OFFSET_DIRENTPLUS <= answer.body.size();) {
    fuse_direntplus entry{};
    std::memcpy(&entry, answer.body.data() + at, FUSE_NAME_OFFSET_DIRENTPLUS);
    count(entry.entry_out);
    at += FUSE_DIRENTPLUS_SIZE(&entry);
  }
}

Answer ProtocolClient::sync_directory(const OpenedFile& directory) {
  return call(FUSE_FSYNCDIR, directory.node, Body().add(sync_request(directory)));
}

Answer ProtocolClient::release_directory(const OpenedFile& directory) {
  erase_handle(directories_, directory.handle);
  return call(FUSE_RELEASEDIR, directory.node, Body().add(release_request(directory)));
}

Answer ProtocolClient::set_xattr(std::uint64_t node, std::string_view name, std::string_view value,
                                 std::uint32_t flags) {
  const ShortSetxattr in{.size = static_cast<std::uint32_t>(value.size()), .flags = flags};
  return call(FUSE_SETXATTR, node,
              Body().add(in).add_name(name).add_bytes(std::as_bytes(std::span(value))));
}

Answer ProtocolClient::get_xattr(std::uint64_t node, std::string_view name, std::uint32_t room) {
  fuse_getxattr_in in{};
  in.size = room;
  return call(FUSE_GETXATTR, node, Body().add(in).add_name(name));
}

Answer ProtocolClient::list_xattrs(std::uint64_t node, std::uint32_t room) {
  fuse_getxattr_in in{};
  in.size = room;
  return call(FUSE_LISTXATTR, node, Body().add(in));
}

Answer ProtocolClient::remove_xattr(std::uint64_t node, std::string_view name) {
  return call(FUSE_REMOVEXATTR, node, Body().add_name(name));
}

void ProtocolClient::forget(std::uint64_t node, std::uint64_t lookups) {
  const auto found = known_.find(node);
  if (found != known_.end()) {
    found->second.lookups -= std::min(lookups, found->second.lookups);
    if (found->second.lookups == 0) known_.erase(found);
  }
  kernel_.tell(FUSE_FORGET, node, Body().add(fuse_forget_in{.nlookup = lookups}));
}

void ProtocolClient::forget_many(const std::vector<std::uint64_t>& nodes) {
  fuse_batch_forget_in in{};
  in.count = static_cast<std::uint32_t>(nodes.size());
  Body body;
  body.add(in);
  for (const std::uint64_t node : nodes) {
    const auto found = known_.find(node);
    const std::uint64_t lookups = found == known_.end() ? 1 : found->second.lookups;
    body.add(fuse_forget_one{.nodeid = node, .nlookup = lookups});
    if (found != known_.end()) known_.erase(found);
  }
  kernel_.tell(FUSE_BATCH_FORGET, 0, body);
}

void ProtocolClient::release_everything() {
  while (!files_.empty()) (void)release(OpenedFile(files_.back()));
  while (!directories_.empty()) (void)release_directory(OpenedFile(directories_.back()));
  std::vector<std::uint64_t> nodes;
  for (const auto& [node, unused] : known_) nodes.push_back(node);
  if (!nodes.empty()) forget_many(nodes);
}

}  // namespace mirrorfs::testing
