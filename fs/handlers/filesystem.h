// What all handlers share.
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "fs/handlers/captures.h"
#include "fs/handlers/credentials.h"
#include "fs/handlers/directory_stream.h"
#include "fs/handlers/fuse_request.h"
#include "fs/handlers/open_handles.h"
#include "fs/handlers/open_modes.h"
#include "fs/handlers/suspended.h"
#include "fs/nodes/extended_attributes.h"
#include "fs/nodes/node_locks.h"
#include "fs/nodes/node_table.h"
#include "fs/nodes/recent_looks.h"
#include "fs/nodes/source_tree.h"
#include "fs/nodes/written_sizes.h"
#include "mirrorfs/mirror.h"
#include "mirrorfs/replicator.h"

namespace mirrorfs::fs {

struct FilesystemOptions {
  Mode mode = Mode::kAsync;
  IoOption io = IoOption::kAuto;
  bool hide_reserved_root_name = true;
  double attr_timeout = 1, entry_timeout = 1;
};

/// An open file. The descriptor has the access asked for, but neither O_APPEND (pwrite(2) would
/// ignore the offset; unless the file can only be appended to, chattr(1)) nor O_DIRECT (the
/// kernel's buffers are not aligned for it).
struct OpenFile {
  NodeRef node;
  SharedFd fd;
  int flags = 0;         ///< as the application gave them
  bool appends = false;  ///< the descriptor has O_APPEND after all
  OpenDecision way = {};
  [[nodiscard]] bool writable() const { return (flags & O_ACCMODE) != O_RDONLY; }
  [[nodiscard]] bool written_whole() const {
    return (flags & O_ACCMODE) == O_WRONLY && (flags & (O_CREAT | O_TRUNC)) != 0;
  }
  [[nodiscard]] bool readable() const { return (flags & O_ACCMODE) != O_WRONLY; }
  [[nodiscard]] bool synchronous() const { return (flags & (O_SYNC | O_DSYNC)) != 0; }
};

/// Lives as long as the session; safe from any thread.
struct Filesystem {
  Filesystem(SourceTree& tree, Credentials credentials, Replicator& engine,
             const FilesystemOptions& chosen)
      : options(chosen),
        source(tree),
        xattrs(tree),
        nodes(tree, NodeTable::default_descriptor_limit()),
        own(std::move(credentials)),
        replicator(engine),
        suspended(engine, own) {}

  [[nodiscard]] bool hides(const Node& parent, std::string_view name) const;
  [[nodiscard]] Result<NodeRef> node(fuse_ino_t id);  ///< ESTALE when unknown
  /// The kernel has to ask for the attributes again: they changed in a way it cannot expect. Takes
  /// no lock of the inode there (fuse_reverse_inval_inode(), no pages), so that it is done by the
  /// handler itself, before the reply and under its locks.
  void forget_attributes(const Node& node) const;

  const FilesystemOptions options;
  /// Of all node numbers: they start anew with each session, and file handles from an earlier one
  /// (open_by_handle_at(2), NFS) must not open another file. Never 0.
  const std::uint32_t generation = std::random_device{}() | 1U;
  SourceTree& source;
  ExtendedAttributes xattrs;
  NodeTable nodes;
  const Credentials own;
  Replicator& replicator;
  RecentLooks directory_looks;
  WrittenSizes written_sizes;
  OpenModes open_modes;
  Captures captures;
  OpenHandles<OpenFile> open_files;
  OpenHandles<DirectoryStream> open_directories;
  fuse_session* session = nullptr;                     ///< set before the first request
  std::atomic<bool> source_keeps_nanoseconds = false;  ///< as seen from a time that it stamped
  Suspended suspended;  ///< ends first: what waits refers to the rest
};

[[nodiscard]] inline OpenFile& open_file(const fuse_file_info& file) {
  return *reinterpret_cast<OpenFile*>(file.fh);
}

/// Whether the change is to clear set-id bits (FUSE_HANDLE_KILLPRIV_V2). libfuse before
/// 3.18.3 does not hand the kernel's hint on; then everybody but root lacks the right to keep them.
template <class FileInfo>
[[nodiscard]] bool kills_set_id(const FileInfo& file, const Caller& caller) {
  if constexpr (requires { file.kill_suidgid; }) {
    return file.kill_suidgid != 0;
  } else {
    return caller.uid != 0;
  }
}

/// The same for requests that carry no hint: fallocate, copy_file_range.
[[nodiscard]] inline bool clears_set_id(const Filesystem& fs, const Node& node,
                                        const Caller& caller) {
  const bool has_bits = (node.known_mode() & (S_ISUID | S_ISGID)) != 0;
  return has_bits ? !fs.own.may_keep_set_id(caller) : caller.uid != 0;
}

/// A child that the kernel is to be told of, with one lookup counted.
struct Entry {
  NodeRef node;
  Metadata metadata;
};

/// stat(2) as applications on the mount see it.
[[nodiscard]] struct stat to_stat(const Filesystem& fs, const Metadata& metadata);
/// The inode number to show: objects of filesystems mounted below the source get numbers of their
/// own, because the mount has one device number.
[[nodiscard]] ino_t shown_inode(const Filesystem& fs, dev_t device, ino_t inode);
[[nodiscard]] fuse_entry_param to_entry(const Filesystem& fs, const Entry& entry);

/// Looks `name` up under the directory's lock and counts a lookup.
[[nodiscard]] Result<Entry> resolve_child(Filesystem& fs, const NodeRef& parent, const char* name);

/// Replies with the entry, or forgets it when the kernel did not take it.
void reply_entry(FuseRequest& request, Filesystem& fs, const Result<Entry>& entry);

[[nodiscard]] Result<std::string> read_link(Filesystem& fs, const NodeRef& node);

}  // namespace mirrorfs::fs
